"""Orders' events at payments' door, through the inbox: happy, twice, out of order, poison, and both races."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import OperationalError, connections

from apps.payments import usecases
from apps.payments.contracts.errors import NotVoidable
from apps.payments.models import LedgerLine, Payment, PaymentsInbox, PaymentsOutbox, PaymentsPosition
from apps.payments.tests.factories import (
    AMOUNT_MINOR,
    cancelled,
    confirmed,
    ledger_of,
    placed,
    rejected,
    stream,
    stream_of,
)
from fissile.data.guard import writing
from fissile.testing.ears import Ear, told

pytestmark = pytest.mark.django_db(databases=["payments"], transaction=True)

RACES = 8


@pytest.fixture
def ear():
    with Ear("payments.orders") as ear:
        yield ear


def test_a_placed_order_is_authorised_because_of_its_message(ear):
    order = placed()
    (message,) = stream(order)

    ear.hear(message)

    payment, event = Payment.objects.get(), PaymentsOutbox.objects.get()
    assert (payment.order_id, payment.buyer_id, payment.method) == (order.order_id, order.buyer_id, "test-card")
    assert (payment.status, payment.amount_minor) == ("authorised", AMOUNT_MINOR)
    assert (event.type, event.aggregate) == ("payments.payment_authorised.v1", f"payment/{payment.id}")
    assert (event.headers["causationid"], event.headers["correlationid"]) == (str(message.id), "c-1")


@pytest.mark.parametrize(
    ("method", "reason"), [("test-card-refused", "card_refused"), ("no-such-card", "unknown_payment_method")]
)
def test_an_order_with_a_bad_payment_method_is_refused(ear, method, reason):
    order = placed(method=method)

    ear.hear(*stream(order, rejected(order)))

    assert stream_of(order.order_id) == ["refused"]
    assert PaymentsOutbox.objects.get().payload["reason"] == reason
    assert list(PaymentsInbox.objects.order_by("version").values_list("reason", flat=True)) == ["handled", "unhandled"]


def test_an_order_from_before_there_were_payment_methods_is_paid_with_the_test_card(ear):
    (message,) = stream(placed())
    del message.data["payment_method"]

    ear.hear(message)

    assert Payment.objects.get().method == "test-card"


@pytest.mark.parametrize(
    ("fates", "decisions"),
    [
        ([confirmed], ["authorised", "captured"]),
        ([cancelled], ["authorised", "voided"]),
        ([confirmed, cancelled], ["authorised", "captured", "refunded"]),
    ],
    ids=["confirmed", "cancelled before it was confirmed", "cancelled afterwards"],
)
@pytest.mark.parametrize("batched", [True, False])
def test_the_payment_follows_its_order_whichever_came_first(ear, fates, decisions, batched):
    order = placed()
    messages = stream(order, *(fate(order) for fate in fates))

    for batch in [messages] if batched else [[message] for message in messages]:
        ear.hear(*batch)

    assert stream_of(order.order_id) == decisions
    even = decisions[-1] in ("voided", "refunded")
    assert sum(amount for _, amount in ledger_of(order.order_id)) == (0 if even else AMOUNT_MINOR)


def test_everything_twice_and_backwards_is_once_and_in_order(ear):
    order = placed()
    messages = stream(order, confirmed(order), cancelled(order))

    for message in [*reversed(messages), *messages, *messages]:
        ear.hear(message)
        ear.sweep()

    assert stream_of(order.order_id) == ["authorised", "captured", "refunded"]
    assert [kind for kind, _ in ledger_of(order.order_id)] == ["hold", "release", "charge", "refund"]
    assert set(PaymentsInbox.objects.values_list("state", flat=True)) == {"applied"}


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_arrival_ends_in_the_same_ledger(ear, seed):
    chance = random.Random(seed)
    orders = [placed(amount_minor=100) for _ in range(6)]
    fates = [[confirmed], [cancelled], [confirmed, cancelled]] * 2
    messages = [
        message
        for order, of in zip(orders, fates, strict=True)
        for message in stream(order, *(fate(order) for fate in of))
    ]
    deliveries = messages + chance.choices(messages, k=10)
    chance.shuffle(deliveries)

    while deliveries:
        size = chance.randint(1, 5)
        ear.hear(*deliveries[:size])
        deliveries = deliveries[size:]
        ear.sweep()

    assert sorted(Payment.objects.values_list("status", flat=True)) == sorted(["captured", "voided", "refunded"] * 2)
    assert sum(LedgerLine.objects.values_list("amount_minor", flat=True)) == 2 * 100
    assert PaymentsOutbox.objects.count() == 2 * (2 + 2 + 3)


def test_a_payload_that_cannot_be_read_is_parked_and_the_other_orders_go_on(ear):
    bad, good = placed(), placed()
    (message,) = stream(bad)
    message.data["total_minor"] = "much"

    ear.hear(message, told(good))
    ear.hear(told(cancelled(bad), 2))
    ear.retry_until_parked()

    assert stream_of(good.order_id) == ["authorised"]
    assert dict(PaymentsInbox.objects.filter(aggregate=bad.aggregate).values_list("version", "state")) == {
        1: "parked",
        2: "waiting",
    }
    assert PaymentsInbox.objects.get(state="parked").reason.startswith("BrokenContractError")


def test_an_order_whose_placing_was_never_heard_is_parked_and_takes_no_money(ear):
    order = placed()
    # As if the position had been set past the first version by hand.
    with writing("payments"):
        PaymentsPosition.objects.create(consumer="payments.orders", aggregate=order.aggregate, applied_version=1)

    ear.hear(told(confirmed(order), 2))
    ear.retry_until_parked()

    assert PaymentsInbox.objects.get().reason.startswith("PaymentNeverDecided")
    assert not LedgerLine.objects.exists()


def test_a_ledger_that_cannot_be_written_undoes_payment_event_and_inbox_row(ear, monkeypatch):
    order, write = placed(), usecases._write_lines
    broken = [True]

    def write_or_break(*given):
        write(*given)
        if broken.pop():
            raise OperationalError("database is locked")

    monkeypatch.setattr(usecases, "_write_lines", write_or_break)
    ear.hear(*stream(order))
    assert [table.objects.count() for table in (Payment, PaymentsOutbox, LedgerLine)] == [0, 0, 0]
    assert PaymentsInbox.objects.get().state == "waiting"
    monkeypatch.setattr(usecases, "_write_lines", write)
    ear.retry_until_parked()

    assert stream_of(order.order_id) == ["authorised"]
    assert PaymentsInbox.objects.get().state == "applied"


def test_an_operator_who_voids_while_the_order_is_confirmed_wins_or_is_refused_and_the_ledger_is_even_with_it():
    orders = [placed() for _ in range(RACES)]
    with Ear("payments.orders") as first:
        first.hear(*(told(order) for order in orders))
    start = Barrier(2)

    def void():
        refused = 0
        try:
            for order in orders:
                start.wait(timeout=30)
                try:
                    usecases.void_payment(order.order_id, reason="by operator olga")
                except NotVoidable:
                    refused += 1
        finally:
            connections.close_all()
        return refused

    def confirm():
        try:
            with Ear("payments.orders") as ear:
                for order in orders:
                    start.wait(timeout=30)
                    ear.hear(told(confirmed(order), 2))
        finally:
            connections.close_all()
        return 0

    with ThreadPoolExecutor(2) as pool:
        voiding, confirming = pool.submit(void), pool.submit(confirm)
        refused = voiding.result() + confirming.result()

    decisions = [stream_of(order.order_id) for order in orders]
    assert all(one in (["authorised", "voided"], ["authorised", "captured"]) for one in decisions)
    assert sum(one == ["authorised", "captured"] for one in decisions) == refused
    assert sum(LedgerLine.objects.values_list("amount_minor", flat=True)) == refused * AMOUNT_MINOR
    assert set(PaymentsInbox.objects.values_list("state", flat=True)) == {"applied"}
