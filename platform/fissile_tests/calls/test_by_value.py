"""What crosses a border and how it arrives: one table, near and far; and what does not, by name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from fissile.calls import CallPolicy, NotByValue, neighbour
from fissile.errors import BrokenContractError
from fissile_tests.calls.callee import facade, kinds, types, unfit

PATIENT = CallPolicy(deadline_seconds=5.0)
ID = UUID("019a0000-0000-7000-8000-000000000001")
EAST = timezone(timedelta(hours=5, minutes=30))
MOMENT = datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC)
MISFIT = BrokenContractError
each_unfit = pytest.mark.parametrize("kind", sorted(unfit.KINDS))

# kind, what is sent, what the callee got and gave back (None in the third place: the same).
TABLE = [
    ("text", "Ägir & Söhne \u2028 \U0001faa8", None), ("text", "", None), ("text", 7, MISFIT), ("text", None, MISFIT),
    ("text", "a\0b", MISFIT), ("text", "\ud800", MISFIT), ("text", ID, str(ID)), ("text", b"ab", "YWI="),
    ("text", Decimal("0.10"), "0.10"), ("text", kinds.Colour.RED, "red"),
    ("whole", 2**53 + 1, None), ("whole", -(2**63), None), ("whole", 2**200, None), ("whole", True, MISFIT),
    ("whole", 1.5, MISFIT), ("whole", 1.0, MISFIT), ("whole", "1", MISFIT), ("flag", True, None), ("flag", 1, MISFIT),
    ("number", 0.1 + 0.2, None), ("number", -0.0, None), ("number", 5e-324, None), ("number", 1, 1.0),
    ("decimal", Decimal("0.10"), None), ("decimal", Decimal("1E+400"), None), ("decimal", "0.10", Decimal("0.10")),
    ("decimal", 0.1, Decimal("0.1")), ("uuid", ID, None), ("uuid", str(ID), ID), ("uuid", "no uuid", MISFIT),
    ("moment", MOMENT, None), ("moment", MOMENT.astimezone(EAST), None), ("day", date(2026, 2, 28), None),
    ("day", MOMENT, MISFIT), ("clock", time(7, 30), None), ("span", timedelta(days=-1, seconds=3), None),
    ("octets", b"\x00\xff", None), ("octets", bytearray(b"ab"), b"ab"), ("octets", memoryview(b"ab"), b"ab"),
    ("octets", "not base64!", MISFIT), ("colour", kinds.Colour.RED, None), ("colour", "red", kinds.Colour.RED),
    ("colour", "blue", MISFIT), ("size", kinds.Size.LARGE, None), ("size", 3, kinds.Size.LARGE),
    ("point", kinds.Point(1, 2), None), ("point", [1, 2], kinds.Point(1, 2)), ("point", [1], MISFIT),
    ("list", [1, 2], None), ("list", (1, 2), [1, 2]), ("tuple", (1, 2), None), ("tuple", [1, 2], (1, 2)),
    ("pair", (1, "a"), None), ("pair", (1, "a", 2), MISFIT), ("set", {3, 1}, None), ("set", [1, 1], {1}),
    ("frozen", frozenset("ab"), None), ("map", {"a": 1}, None), ("map", {"a": "b"}, MISFIT),
    ("numbered", {1: "a"}, None), ("numbered", {"x": "a"}, MISFIT), ("narrow", kinds.Narrow("Rosa"), None),
    # An unknown field of a value is passed over, so that a neighbour may be newer.
    ("narrow", kinds.Wide("Rosa", "R"), kinds.Narrow("Rosa")), ("narrow", {"name": "Rosa"}, kinds.Narrow("Rosa")),
    ("wide", kinds.Narrow("Rosa"), MISFIT), ("perhaps", None, None), ("perhaps", kinds.Narrow("Rosa"), None),
    ("either", "1", None), ("either", 1, None), ("anything", kinds.Narrow("Rosa"), {"name": "Rosa"}),
    ("anything", (1, {2}), [1, [2]]), ("anything", ID, str(ID)), ("anything", {1: 2}, {"1": 2}),
]  # fmt: skip


def ask(function, arguments=None, *, returns: Any = Any):
    return neighbour("callee", caller="orders").ask(function, arguments or {}, returns=returns, policy=PATIENT)


@pytest.mark.parametrize(("kind", "sent", "expected"), TABLE, ids=lambda value: None)
def test_a_value_arrives_as_its_declared_type(way, kind, sent, expected):
    if expected is MISFIT:
        with pytest.raises(BrokenContractError):
            ask(f"same_{kind}", {"value": sent}, returns=kinds.KINDS[kind])
        return

    got = ask(f"same_{kind}", {"value": sent}, returns=kinds.KINDS[kind])

    expected = sent if expected is None else expected
    assert (type(got), got) == (type(expected), expected)
    assert repr(got) == repr(expected) or isinstance(got, set | frozenset)


def test_an_unknown_argument_is_refused_unlike_an_unknown_field(way):
    with pytest.raises(BrokenContractError, match=r"calls\.unreadable_arguments"):
        ask("same_text", {"value": "a", "more": 1})


@each_unfit
def test_an_argument_that_lives_here_only_is_refused_by_name_with_its_place(way, kind):
    expected, value = unfit.KINDS[kind], unfit.KINDS[kind].make()

    with pytest.raises(NotByValue) as no:
        ask("same_anything", {"value": {"rows": [1, unfit.Box(value)]}})

    place = "callee.same_anything: argument value['rows'][1].content"
    assert str(no.value).startswith(place)
    assert f" is {expected.named}" in str(no.value)
    assert f"Pass {expected.instead}" in str(no.value)


@each_unfit
def test_a_result_that_lives_there_only_is_refused_in_the_same_words(way, kind):
    expected = unfit.KINDS[kind]

    with pytest.raises(NotByValue) as no:
        ask("answer_in_kind", {"kind": kind})

    assert str(no.value).startswith("callee.answer_in_kind: the result")
    assert f" is {expected.named}" in str(no.value)
    assert f"Pass {expected.instead}" in str(no.value)


def test_a_name_in_an_object_is_shown_only_if_it_is_a_fields(way):
    with pytest.raises(NotByValue) as no:
        ask("same_anything", {"value": {"rosa@example.com": print}})

    assert "value[…] is a function" in str(no.value)
    assert "rosa" not in str(no.value)


def test_a_refusal_whose_facts_are_no_values_is_a_broken_contract(way):
    with pytest.raises(NotByValue, match=r"the refusal callee\.account_closed: fact rows\[1\] is a _thread\.lock"):
        ask("refuse_with_an_object")


def test_what_the_caller_changes_after_the_call_the_callee_does_not_see(way):
    lines = ["one"]
    answer = ask("keep_lines", {"lines": lines}, returns=list[str])

    lines.append("two")
    answer.append("three")

    assert ask("kept_lines", returns=list[str]) == ["one"]
    assert facade._kept == ["one"]


def test_what_the_callee_changes_after_the_call_the_caller_does_not_see(way):
    answer = ask("keep_lines", {"lines": ["one"]}, returns=list[str])

    facade._kept.append("two")

    assert answer == ["one"]


def test_equal_values_are_never_the_same_object(way):
    account = facade.get_account(account_id=ID)

    first, second = (ask("echo", {"account": account}, returns=types.Account) for _ in range(2))

    assert first == second == account
    assert len({id(first.limit), id(second.limit), id(account.limit)}) == 3
    assert replace(first, nickname="x") != account
