"""Deciding, capturing, voiding and refunding on payments' own database: rows, ledger and events."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import IntegrityError, connections, transaction

from apps.payments import queries, usecases
from apps.payments.contracts.errors import NotCapturable, NotRefundable, NotVoidable, UnknownPayment
from apps.payments.contracts.events import PaymentCapturedV1, PaymentRefundedV1, PaymentRefusedV1
from apps.payments.domain import Balance
from apps.payments.models import LedgerIsAppendOnly, LedgerLine, Payment
from apps.payments.tests.factories import AMOUNT_MINOR, a_payment, euros, ledger_of, stream_of
from apps.payments.usecases import PaymentNeverDecided
from fissile.data.guard import writing
from fissile.data.models import UnpublishedChange
from fissile.testing.published import assert_published

pytestmark = pytest.mark.django_db(databases=["payments"])

# The steps to each status, its ledger, what is held and charged, what was told.
LIVES = {
    "authorised": ([], [("hold", 2_500)], (2_500, 0), ["authorised"]),
    "captured": (
        ["capture"],
        [("hold", 2_500), ("release", -2_500), ("charge", 2_500)],
        (0, 2_500),
        ["authorised", "captured"],
    ),
    "voided": (["void"], [("hold", 2_500), ("release", -2_500)], (0, 0), ["authorised", "voided"]),
    "refunded": (
        ["capture", "refund"],
        [("hold", 2_500), ("release", -2_500), ("charge", 2_500), ("refund", -2_500)],
        (0, 0),
        ["authorised", "captured", "refunded"],
    ),
}
REFUSALS = {"capture": NotCapturable, "void": NotVoidable, "refund": NotRefundable}
IMPOSSIBLE = [
    ("authorised", "refund"),
    ("captured", "capture"),
    ("captured", "void"),
    ("voided", "capture"),
    ("voided", "void"),
    ("voided", "refund"),
    ("refunded", "capture"),
    ("refunded", "void"),
    ("refunded", "refund"),
]


def take(step, payment, reason="by a test"):
    getattr(usecases, f"{step}_payment")(payment.order_id, reason=reason)


@pytest.mark.parametrize("status", LIVES)
def test_each_status_has_its_lines_its_balance_and_its_events(status):
    steps, lines, (held, charged), told = LIVES[status]

    payment = a_payment(*steps)

    found = queries.get_payment(payment.order_id, buyer_id=payment.buyer_id)
    assert (found.status, found.version, found.amount) == (status, len(told), euros(AMOUNT_MINOR))
    assert ledger_of(payment.order_id) == lines
    assert found.balance == Balance(held_minor=held, charged_minor=charged)
    assert stream_of(payment.order_id) == told


@pytest.mark.parametrize(
    ("method", "reason"), [("test-card-refused", "card_refused"), ("no-such-card", "unknown_payment_method")]
)
def test_a_refused_payment_is_told_with_its_reason_and_has_no_line(method, reason):
    payment = a_payment(method=method)

    assert (payment.status, payment.refusal_reason, payment.method) == ("refused", reason, method)
    assert_published(PaymentRefusedV1, reason=reason)
    assert ledger_of(payment.order_id) == []


@pytest.mark.parametrize("step", REFUSALS)
def test_a_refused_payment_can_neither_be_taken_nor_given_back(step):
    payment = a_payment(method="test-card-refused")

    with pytest.raises(REFUSALS[step]):
        take(step, payment)

    assert stream_of(payment.order_id) == ["refused"]


@pytest.mark.parametrize(("status", "step"), IMPOSSIBLE)
def test_a_step_that_is_not_possible_is_refused_and_leaves_nothing(status, step):
    steps, lines, _, told = LIVES[status]
    payment = a_payment(*steps)

    with pytest.raises(REFUSALS[step]):
        take(step, payment)

    assert Payment.objects.get().status == status
    assert ledger_of(payment.order_id) == lines
    assert stream_of(payment.order_id) == told


@pytest.mark.parametrize("step", REFUSALS)
def test_an_order_without_a_payment_is_unknown(step):
    with pytest.raises(UnknownPayment):
        getattr(usecases, f"{step}_payment")(uuid4(), reason="by a test")


def test_the_reason_is_told():
    payment = a_payment("capture")

    take("refund", payment, reason="by operator olga: broken on arrival")

    (told,) = assert_published(PaymentRefundedV1, reason="by operator olga: broken on arrival")
    assert (told.payment_id, told.amount_minor, told.currency) == (payment.id, AMOUNT_MINOR, "EUR")


def test_an_order_is_asked_for_its_money_once():
    payment = a_payment()

    usecases.authorise_payment(payment.order_id, buyer_id=payment.buyer_id, amount=euros(9), method="test-card-refused")

    assert Payment.objects.get().status == "authorised"
    assert stream_of(payment.order_id) == ["authorised"]
    assert ledger_of(payment.order_id) == [("hold", AMOUNT_MINOR)]


def test_a_confirmed_order_takes_the_money_once():
    payment = a_payment()

    usecases.settle_confirmed_order(payment.order_id)
    usecases.settle_confirmed_order(payment.order_id)

    assert stream_of(payment.order_id) == ["authorised", "captured"]
    assert_published(PaymentCapturedV1, reason="the order was confirmed")


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([], ["authorised", "voided"]),
        (["capture"], ["authorised", "captured", "refunded"]),
        (["void"], ["authorised", "voided"]),
        (["capture", "refund"], ["authorised", "captured", "refunded"]),
    ],
)
def test_a_cancelled_order_gives_back_what_is_due_and_no_more(steps, told):
    payment = a_payment(*steps)

    usecases.settle_cancelled_order(payment.order_id, reason="by the buyer")
    usecases.settle_cancelled_order(payment.order_id, reason="by the buyer")

    assert stream_of(payment.order_id) == told
    assert sum(amount for _, amount in ledger_of(payment.order_id)) == 0


def test_nothing_is_due_for_a_refused_payment():
    payment = a_payment(method="test-card-refused")

    usecases.settle_cancelled_order(payment.order_id, reason="by the buyer")
    usecases.settle_confirmed_order(payment.order_id)

    assert stream_of(payment.order_id) == ["refused"]


@pytest.mark.parametrize(
    "settle",
    [usecases.settle_confirmed_order, lambda order_id: usecases.settle_cancelled_order(order_id, reason="why")],
)
def test_an_order_that_was_never_decided_is_a_broken_stream(settle):
    with pytest.raises(PaymentNeverDecided):
        settle(uuid4())


def test_the_whole_ledger_adds_up_to_what_is_held_and_taken():
    for steps, *_ in LIVES.values():
        a_payment(*steps, amount_minor=1_000)
    a_payment(method="test-card-refused")

    total = sum(LedgerLine.objects.values_list("amount_minor", flat=True))

    assert total == 2 * 1_000, "one payment is authorised, one captured; the others are even"


def test_a_line_of_the_ledger_is_never_changed_or_taken_away():
    a_payment()
    line = LedgerLine.objects.get()
    line.amount_minor = 1

    for change in (line.save, line.delete, LedgerLine.objects.all().delete):
        with pytest.raises(LedgerIsAppendOnly):
            change()
    with pytest.raises(LedgerIsAppendOnly):
        LedgerLine.objects.update(amount_minor=1)


@pytest.mark.parametrize(
    ("kind", "amount_minor"), [("hold", 2_500), ("charge", -1), ("refund", 1)], ids=["twice", "sign", "other sign"]
)
def test_the_database_refuses_a_line_that_cannot_be(kind, amount_minor):
    payment = a_payment()
    known = LedgerLine.objects.get()

    with pytest.raises(IntegrityError), writing("payments"), transaction.atomic(using="payments"):
        LedgerLine.objects.create(payment=payment, kind=kind, amount_minor=amount_minor, currency="EUR", at=known.at)


def test_a_payment_cannot_be_changed_past_its_events():
    row = a_payment()
    row.status = "captured"

    with pytest.raises(UnpublishedChange):
        row.save()
    with pytest.raises(IntegrityError), writing("payments"), transaction.atomic(using="payments"):
        connections["payments"].cursor().execute("UPDATE payments_payment SET status = 'captured'")


def test_somebody_elses_payment_is_unknown():
    payment = a_payment()

    with pytest.raises(UnknownPayment):
        queries.get_payment(payment.order_id, buyer_id=uuid4())
