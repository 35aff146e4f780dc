"""The test kit for calls: what it does to them, on both transports, and that a seed says all of it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from uuid import uuid4

import pytest

from fissile.calls import CallPolicy, far, near, neighbour
from fissile.errors import BrokenContractError, UncertainError, UnreachableError
from fissile.testing.calls import UnrulyCalls, unruly_calls

PATIENT = CallPolicy(deadline_seconds=5.0)


def ask(function, arguments, policy=PATIENT):
    return neighbour("callee", caller="orders").ask(function, arguments, returns=int, policy=policy)


def runs_of(name):
    return ask("times_run", {"name": name})


def a_name():
    return uuid4().hex


def seed_where(wanted, **odds):
    """Return the first seed whose first fates are as wanted."""
    return next(
        seed for seed in range(10_000)
        if all(wish(UnrulyCalls(seed=seed, **odds).fate_of(n)) for n, wish in enumerate(wanted))
    )  # fmt: skip


def test_a_duplicate_runs_the_callee_twice_and_its_answer_is_dropped(way):
    name = a_name()

    with unruly_calls(seed=1, duplicate=1.0) as kit:
        answer = ask("add", {"name": name})

    assert (answer, runs_of(name)) == (1, 2)
    (call,) = kit.log
    assert (call.name, call.transport, call.runs, call.outcome) == ("callee.add", way, 2, "200")


def test_a_duplicate_that_is_refused_changes_nothing_for_the_caller(way):
    with unruly_calls(seed=1, duplicate=1.0) as kit, pytest.raises(BrokenContractError):
        ask("break_contract", {})

    assert (kit.log[0].runs, kit.log[0].outcome) == (2, "500")


def test_a_call_that_is_lost_on_the_way_there_did_not_happen(way):
    name, seed = a_name(), seed_where([lambda fate: fate.fail == "before"], fail=1.0)

    with unruly_calls(seed=seed, fail=1.0) as kit, pytest.raises(UnreachableError):
        ask("add", {"name": name})

    assert (runs_of(name), kit.log[0].runs, kit.log[0].outcome) == (0, 0, "unreachable")


@pytest.mark.parametrize(("is_safe", "error"), [(False, UncertainError), (True, UnreachableError)])
def test_an_answer_that_is_lost_may_have_happened_unless_it_only_reads(way, is_safe, error):
    name, seed = a_name(), seed_where([lambda fate: fate.fail == "after"], fail=1.0)

    with unruly_calls(seed=seed, fail=1.0), pytest.raises(error) as failure:
        ask("add", {"name": name}, replace(PATIENT, is_safe=is_safe))

    assert type(failure.value) is error
    assert runs_of(name) == 1


def test_the_callers_policy_tries_again_and_each_try_has_a_fate_of_its_own(way):
    name = a_name()
    seed = seed_where([lambda fate: fate.fail == "before", lambda fate: not fate.fail], fail=0.5)

    with unruly_calls(seed=seed, fail=0.5) as kit:
        assert ask("add", {"name": name}, replace(PATIENT, attempts=2, backoff_seconds=0.0)) == 1

    assert [(call.index, call.runs, call.outcome) for call in kit.log] == [(0, 0, "unreachable"), (1, 1, "200")]


def test_a_delay_counts_against_the_deadline(way):
    name, began = a_name(), time.monotonic()

    with unruly_calls(seed=1, delay_seconds=(60.0, 60.0)) as kit, pytest.raises(UncertainError):
        ask("add", {"name": name}, replace(PATIENT, deadline_seconds=0.1))

    assert time.monotonic() - began < 5
    assert (runs_of(name), kit.log[0].runs) == (0, 0)


def test_the_callee_is_told_what_a_delay_left_of_the_deadline(way):
    with unruly_calls(seed=1, delay_seconds=(0.2, 0.2)):
        seen = neighbour("callee", caller="orders").ask("carried", {}, returns=dict, policy=PATIENT)

    assert 0 < seen["seconds_left"] <= PATIENT.deadline_seconds - 0.2


def test_a_call_that_is_held_back_is_passed_by_the_next(way):
    seed = seed_where([lambda fate: fate.hold, lambda fate: not fate.hold], reorder=True)
    names = a_name(), a_name()

    with ThreadPoolExecutor(2) as threads, unruly_calls(seed=seed, reorder=True, patience_seconds=4.0) as kit:
        first = threads.submit(ask, "add", {"name": names[0]})
        assert kit.wait_for_calls(1, within_seconds=4.0)
        second = threads.submit(ask, "add", {"name": names[1]})
        assert (first.result(), second.result()) == (1, 1)

    assert [call.place for call in kit.log] == [1, 0]


def test_a_caller_that_is_alone_is_never_stuck(way):
    seed = seed_where([lambda fate: fate.hold] * 3, reorder=True)

    with unruly_calls(seed=seed, reorder=True, patience_seconds=0.01) as kit:
        assert [ask("size_of", {"text": "abc"}) for _ in range(3)] == [3, 3, 3]

    assert [call.place for call in kit.log] == [0, 1, 2]


def test_callers_that_are_all_held_back_come_through(way):
    with ThreadPoolExecutor(6) as threads, unruly_calls(seed=5, reorder=True, patience_seconds=0.02) as kit:
        answers = list(threads.map(lambda _: ask("size_of", {"text": "abc"}), range(18)))

    assert answers == [3] * 18
    assert sorted(call.place for call in kit.log) == list(range(18))


def test_the_same_seed_does_the_same_to_each_index(way):
    odds = {"duplicate": 0.5, "fail": 0.5, "delay_seconds": (0.0, 0.001)}

    def story():
        with unruly_calls(seed=7, **odds) as kit:
            for _ in range(12):
                try:
                    ask("size_of", {"text": "abc"})
                except (UnreachableError, UncertainError):
                    continue
        return [(call.index, call.fate, call.runs, call.outcome) for call in kit.log]

    first = story()

    assert story() == first
    assert {outcome for *_, outcome in first} == {"200", "unreachable", "uncertain"}


def test_raising_one_of_the_odds_leaves_the_other_fates_alone():
    quiet, loud = UnrulyCalls(seed=7, fail=0.3), UnrulyCalls(seed=7, fail=0.3, duplicate=0.9, reorder=True)

    assert [quiet.fate_of(n).fail for n in range(50)] == [loud.fate_of(n).fail for n in range(50)]


def test_afterwards_calls_are_as_before():
    before = near.send, far.send

    with suppress(ZeroDivisionError), unruly_calls(seed=1):
        during = near.send, far.send
        1 / 0  # noqa: B018

    assert during != before
    assert (near.send, far.send) == before


@pytest.mark.parametrize("odds", [{"duplicate": 1.1}, {"fail": -0.1}, {"delay_seconds": (0.2, 0.1)}])
def test_odds_that_are_none_are_refused(odds):
    with pytest.raises(ValueError, match="odds lie between"), unruly_calls(seed=1, **odds):
        pass
