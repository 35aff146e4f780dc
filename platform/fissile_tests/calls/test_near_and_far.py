"""One body, two ways: a callee in this process and one behind HTTP give the same answers and errors."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fissile import carry
from fissile.calls import CallPolicy, neighbour
from fissile.errors import BrokenContractError, Refusal, UncertainError, UnreachableError
from fissile.trust import NotAllowed
from fissile_tests.calls.callee import facade, types

ACCOUNT = UUID("019a0000-0000-7000-8000-000000000001")
PATIENT = CallPolicy(deadline_seconds=5.0)
BRIEF = CallPolicy(deadline_seconds=0.15)


def ask(function, arguments=None, *, returns=None, policy=PATIENT, caller="orders"):
    return neighbour("callee", caller=caller).ask(function, arguments or {}, returns=returns, policy=policy)


def test_a_value_arrives_as_it_was_sent(way):
    account = ask("get_account", {"account_id": ACCOUNT}, returns=types.Account)

    assert account == facade.get_account(account_id=ACCOUNT)
    assert ask("echo", {"account": account}, returns=types.Account) == account


def test_asking_twice_gives_the_same_answer(way):
    first = ask("get_account", {"account_id": ACCOUNT}, returns=types.Account)

    assert ask("get_account", {"account_id": ACCOUNT}, returns=types.Account) == first


def test_no_answer_is_an_answer(way):
    assert ask("answer_nothing", returns=None) is None


def test_an_optional_argument_may_be_left_out_or_given(way):
    given = ask("get_account", {"account_id": ACCOUNT, "nickname": "A"}, returns=types.Account)

    assert given.nickname == "A"
    assert replace(given, nickname=None) == ask("get_account", {"account_id": ACCOUNT}, returns=types.Account)


def test_the_callee_cannot_change_the_callers_values(way):
    lines = ["one"]

    assert ask("spoil", {"lines": lines}, returns=list[str]) == ["one", "spoilt"]
    assert lines == ["one"]


def test_correlation_user_trace_and_deadline_cross_and_nothing_else(way, monkeypatch):
    provider = TracerProvider()
    exported = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    monkeypatch.setattr("fissile.calls.asking._tracer", provider.get_tracer("test"))
    user = carry.Principal(kind="user", subject="u-1")
    facade.local_note.set("the caller's")

    with carry.using(correlation_id="c-1", causation_id="m-1", principal=user):
        seen = ask("carried", returns=types.Carried)

    (span,) = [span for span in exported.get_finished_spans() if span.name == "call callee.carried"]
    assert (seen.correlation_id, seen.causation_id) == ("c-1", "m-1")
    assert (seen.kind, seen.subject, seen.actor) == ("service", "u-1", "orders")
    assert seen.trace_id == span.context.trace_id
    assert 0 < seen.seconds_left <= PATIENT.deadline_seconds
    assert seen.leaked == "nothing"
    assert span.kind == trace.SpanKind.CLIENT


def test_what_the_callee_sets_stays_there(way):
    facade.local_note.set("ours")

    ask("leak")

    assert facade.local_note.get() == "ours"


def test_a_nearer_deadline_that_is_carried_wins(way):
    with carry.using(deadline=time.monotonic() + 1.0):
        seen = ask("carried", returns=types.Carried)

    assert seen.seconds_left <= 1.0


def test_a_refusal_comes_back_as_its_class_with_its_facts(way):
    with pytest.raises(types.AccountClosed) as no:
        ask("refuse", {"account_id": ACCOUNT}, returns=types.Account)

    assert (no.value.code, no.value.status, str(no.value)) == ("callee.account_closed", 422, "The account is closed.")
    since = str(datetime(2026, 1, 1, tzinfo=UTC))
    assert no.value.facts == {"account_id": str(ACCOUNT), "since": since, "attempts": 3, "rows": [1, "b"]}


def test_a_refusal_whose_class_is_unknown_keeps_code_and_status(way):
    with pytest.raises(Refusal) as no:
        ask("refuse_strangely")

    assert (type(no.value), no.value.code, no.value.status) == (Refusal, "callee.odd", 409)
    assert (str(no.value), no.value.facts) == ("An odd no.", {"why": "because"})


@pytest.mark.parametrize(
    ("function", "family"),
    [
        ("be_unreachable", UnreachableError), ("be_uncertain", UncertainError), ("break_contract", BrokenContractError),
        ("break_down", BrokenContractError), ("lose_database", UnreachableError),
        ("missing", BrokenContractError),
    ],
)  # fmt: skip
def test_a_failure_keeps_its_family(way, function, family):
    with pytest.raises(family) as failure:
        ask(function, returns=int)

    assert type(failure.value) is family
    assert "secret" not in str(failure.value)


def test_a_read_whose_outcome_is_unknown_has_simply_not_happened(way):
    with pytest.raises(UnreachableError):
        ask("be_uncertain", policy=replace(PATIENT, is_safe=True))


def test_a_call_past_its_deadline_is_uncertain(way):
    with pytest.raises(UncertainError):
        ask("outlast_deadline", returns=int, policy=BRIEF)


def test_a_read_past_its_deadline_is_unreachable(way):
    with pytest.raises(UnreachableError):
        ask("outlast_deadline", returns=int, policy=replace(BRIEF, is_safe=True, attempts=3))


def test_without_time_left_nothing_is_sent(way):
    with carry.using(deadline=time.monotonic() - 1), pytest.raises(UnreachableError, match="No time"):
        ask("get_account", {"account_id": ACCOUNT}, returns=types.Account)


@pytest.mark.parametrize("function", ["not_offered", "for_bff_only", "os", "types", "__builtins__", "nowhere"])
def test_what_is_not_offered_to_the_caller_is_not_allowed(way, function):
    with pytest.raises(NotAllowed):
        ask(function, returns=int)


def test_a_service_nobody_offers_anything_to_is_not_allowed(way):
    with pytest.raises(NotAllowed):
        ask("get_account", {"account_id": ACCOUNT}, caller="stranger", returns=types.Account)


def test_another_caller_may_call_what_is_offered_to_it(way):
    assert ask("for_bff_only", caller="bff", returns=int) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {}, {"account_id": str(ACCOUNT), "extra": 1}, {"account": str(ACCOUNT)}, {"account_id": "no uuid"},
        {"account_id": 7}, {"account_id": None}, {"account_id": str(ACCOUNT), "nickname": 7},
        {"account_id": str(ACCOUNT), "nickname": "\0"},
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit_break_the_contract(way, arguments):
    with pytest.raises(BrokenContractError, match=r"calls\.unreadable_arguments"):
        ask("get_account", arguments, returns=types.Account)


@pytest.mark.parametrize("value", [object(), lambda: None, "\ud800", {1, object()}])
def test_what_has_no_value_form_does_not_leave(way, value):
    with pytest.raises(BrokenContractError):
        ask("size_of", {"text": value}, returns=int)


def test_arguments_over_64_kib_do_not_fit(way):
    room = 65_536 - len('{"text":""}')

    assert ask("size_of", {"text": "x" * room}, returns=int) == room
    with pytest.raises(BrokenContractError, match=r"calls\.too_large"):
        ask("size_of", {"text": "x" * (room + 1)}, returns=int)


def test_an_answer_over_one_mebibyte_breaks_the_contract(way):
    room = 1_048_576 - len('{"result":""}')

    assert len(ask("text_of", {"size": room}, returns=str)) == room
    with pytest.raises(BrokenContractError):
        ask("text_of", {"size": room + 1}, returns=str)


@pytest.mark.parametrize("shape", [int, UUID, types.Account, list[str], None])
def test_an_answer_of_another_shape_breaks_the_contract(way, shape):
    with pytest.raises(BrokenContractError):
        ask("answer_text", returns=shape)


@pytest.mark.parametrize("name", ["get account", "../admin", "a/b", "", "a?b", "a#b"])
def test_a_function_name_is_a_name(way, name):
    with pytest.raises(BrokenContractError):
        ask(name, returns=int)


def test_a_token_that_the_callee_does_not_accept_is_our_fault_and_no_users(way, monkeypatch):
    monkeypatch.setattr("fissile.calls.asking.mint_service", lambda *_, **__: "not.a.token")

    with pytest.raises(BrokenContractError, match="not_authenticated"):
        ask("get_account", {"account_id": ACCOUNT}, returns=types.Account)
