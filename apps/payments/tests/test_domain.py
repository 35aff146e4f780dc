"""The rules of a payment and of its ledger, without a database."""

from __future__ import annotations

import pytest

from apps.payments.contracts.errors import NotCapturable, NotRefundable, NotVoidable
from apps.payments.domain import (
    Balance,
    Decision,
    Kind,
    Line,
    Status,
    Step,
    balance_of,
    decide,
    lines_of,
    status_after,
    step_after_cancellation,
    step_after_confirmation,
)

ALLOWED = {
    ("authorised", Step.CAPTURE): "captured",
    ("authorised", Step.VOID): "voided",
    ("captured", Step.REFUND): "refunded",
}
REFUSALS = {Step.CAPTURE: NotCapturable, Step.VOID: NotVoidable, Step.REFUND: NotRefundable}
# Every way to a status, as the statuses on it.
WAYS = {
    "authorised": ["authorised"],
    "refused": ["refused"],
    "captured": ["authorised", "captured"],
    "voided": ["authorised", "voided"],
    "refunded": ["authorised", "captured", "refunded"],
}


def lines_on_the_way_to(status):
    return [line for each in WAYS[status] for line in lines_of(Status(each), 2_500)]


@pytest.mark.parametrize(
    ("method", "decision"),
    [
        ("test-card", Decision(status=Status.AUTHORISED)),
        ("test-card-refused", Decision(status=Status.REFUSED, refusal_reason="card_refused")),
        ("somebody-elses-card", Decision(status=Status.REFUSED, refusal_reason="unknown_payment_method")),
        ("", Decision(status=Status.REFUSED, refusal_reason="unknown_payment_method")),
    ],
)
def test_a_payment_method_is_authorised_or_refused_with_a_reason(method, decision):
    assert decide(method) == decision


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("status", [*Status, "disputed", ""])
def test_the_state_machine_is_closed(status, step):
    if (status, step) in ALLOWED:
        assert status_after(status, step) == ALLOWED[status, step]
    else:
        with pytest.raises(REFUSALS[step]):
            status_after(status, step)


@pytest.mark.parametrize("status", [*Status, "disputed"])
def test_a_confirmed_order_takes_what_is_held_and_a_cancelled_one_gives_back_what_there_is(status):
    given_back = {"authorised": Step.VOID, "captured": Step.REFUND}

    assert step_after_confirmation(status) == (Step.CAPTURE if status == "authorised" else None)
    assert step_after_cancellation(status) == given_back.get(status)


@pytest.mark.parametrize("status", Status)
def test_whatever_an_orders_fate_asks_for_is_possible(status):
    for step in (step_after_confirmation(status), step_after_cancellation(status)):
        assert step is None or status_after(status, step)


@pytest.mark.parametrize(
    ("status", "held", "charged"),
    [("authorised", 2_500, 0), ("refused", 0, 0), ("captured", 0, 2_500), ("voided", 0, 0), ("refunded", 0, 0)],
)
def test_the_balance_of_each_status_follows_from_its_lines(status, held, charged):
    assert balance_of(lines_on_the_way_to(status)) == Balance(held_minor=held, charged_minor=charged)


@pytest.mark.parametrize("status", Status)
def test_no_kind_of_line_is_written_twice_on_any_way(status):
    kinds = [line.kind for line in lines_on_the_way_to(status)]

    assert len(kinds) == len(set(kinds))


def test_nothing_is_held_or_charged_at_first():
    assert balance_of([]) == Balance()


def test_lines_are_signed():
    assert lines_of(Status.CAPTURED, 7) == (
        Line(kind=Kind.RELEASE, amount_minor=-7),
        Line(kind=Kind.CHARGE, amount_minor=7),
    )
