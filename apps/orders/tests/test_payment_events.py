"""Payments' decisions at our door, through the inbox: confirmed, rejected, too late, twice, out of order, poison."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from uuid import uuid4

import pytest
from django.db import connections

from apps.orders import queries, usecases
from apps.orders.models import OrdersInbox, OrdersOutbox
from apps.orders.tests.factories import a_known_buyer, a_placed_order
from apps.payments.contracts.events import (
    PaymentAuthorisedV1,
    PaymentCapturedV1,
    PaymentRefundedV1,
    PaymentRefusedV1,
    PaymentVoidedV1,
)
from fissile.messages import uuid7
from fissile.testing.ears import Ear, told

pytestmark = pytest.mark.django_db(databases=["orders"], transaction=True)

RACES = 8


@pytest.fixture
def ear():
    with Ear("orders.payments") as ear:
        yield ear


def payment_of(order, **facts):
    known = {"payment_id": uuid7(), "order_id": order.id, "buyer_id": order.buyer_id, "amount_minor": 2_500}
    return known | {"currency": "EUR"} | facts


def authorised(order):
    return told(PaymentAuthorisedV1(**payment_of(order)))


def refused(order, reason="card_refused"):
    return told(PaymentRefusedV1(**payment_of(order), reason=reason))


def status_of(order):
    return queries.get_order(order.id, buyer_id=order.buyer_id).status


def stream_of(order):
    rows = OrdersOutbox.objects.filter(aggregate=f"order/{order.id}").order_by("version")
    return [row.type.split(".")[1].removeprefix("order_") for row in rows]


def test_an_authorised_payment_confirms_its_order_and_says_so_because_of_it(ear):
    order = a_placed_order()
    message = authorised(order)

    ear.hear(message)

    event = OrdersOutbox.objects.get(version=2)
    assert status_of(order) == "confirmed"
    assert event.type == "orders.order_confirmed.v1"
    assert event.payload["payment_id"] == message.data["payment_id"]
    assert (event.headers["causationid"], event.headers["correlationid"]) == (str(message.id), "c-1")


def test_a_refused_payment_rejects_its_order_with_the_reason(ear):
    order = a_placed_order()

    ear.hear(refused(order, "unknown_payment_method"))

    event = OrdersOutbox.objects.get(version=2)
    assert status_of(order) == "rejected"
    assert event.type == "orders.order_rejected.v1"
    assert event.payload["reason"] == "unknown_payment_method"
    assert event.payload["total_minor"] == order.total.amount_minor


@pytest.mark.parametrize("decision", [authorised, refused])
def test_a_cancelled_order_stays_cancelled_whatever_its_payment_says_afterwards(ear, decision):
    order = a_placed_order()
    usecases.cancel_order(order.id, buyer_id=order.buyer_id, reason="by the buyer")

    ear.hear(decision(order))

    assert status_of(order) == "cancelled"
    assert stream_of(order) == ["placed", "cancelled"]
    assert OrdersInbox.objects.get().state == "applied"


def test_a_decision_that_comes_twice_has_one_effect(ear):
    order = a_placed_order()
    message = authorised(order)

    ear.hear(message, message)
    ear.hear(message)

    assert stream_of(order) == ["placed", "confirmed"]


def test_what_payments_says_later_is_passed_over_and_counted(ear):
    order = a_placed_order()
    facts = payment_of(order)
    later = [PaymentCapturedV1, PaymentRefundedV1]

    ear.hear(
        told(PaymentAuthorisedV1(**facts)),
        *(told(event(**facts, reason="so"), version) for version, event in enumerate(later, 2)),
    )

    assert stream_of(order) == ["placed", "confirmed"]
    rows = OrdersInbox.objects.order_by("version")
    assert [row.reason for row in rows] == ["handled", "unhandled", "unhandled"]


def test_a_later_version_waits_for_the_decision(ear):
    order = a_placed_order()
    facts = payment_of(order)

    ear.hear(told(PaymentVoidedV1(**facts, reason="so"), 2))
    assert OrdersInbox.objects.get().state == "waiting"
    ear.hear(told(PaymentAuthorisedV1(**facts), 1))

    assert stream_of(order) == ["placed", "confirmed"]
    assert set(OrdersInbox.objects.values_list("state", flat=True)) == {"applied"}


def test_a_decision_about_an_order_that_never_was_is_parked_and_holds_up_nobody_else(ear):
    order = a_placed_order()
    nobodys = replace(order, id=uuid4())

    ear.hear(authorised(nobodys), authorised(order))
    ear.retry_until_parked()

    assert status_of(order) == "confirmed"
    parked = OrdersInbox.objects.get(state="parked")
    assert parked.reason.startswith("PaymentOfNoOrder")
    assert stream_of(nobodys) == []


def test_many_orders_of_one_batch_are_confirmed_together(ear):
    buyer_id = a_known_buyer()
    orders = [a_placed_order(buyer_id) for _ in range(20)]

    ear.hear(*map(authorised, orders))

    assert {status_of(order) for order in orders} == {"confirmed"}
    assert {tuple(stream_of(order)) for order in orders} == {("placed", "confirmed")}


def test_a_cancellation_that_races_with_the_decision_wins_in_the_end_and_both_are_told_in_order():
    orders = [a_placed_order() for _ in range(RACES)]
    start = Barrier(2)

    def cancel():
        try:
            for order in orders:
                start.wait(timeout=30)
                usecases.cancel_order(order.id, buyer_id=order.buyer_id, reason="by the buyer")
        finally:
            connections.close_all()

    def decide():
        try:
            with Ear("orders.payments") as ear:
                for order in orders:
                    start.wait(timeout=30)
                    ear.hear(authorised(order))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        for racer in [pool.submit(cancel), pool.submit(decide)]:
            racer.result()

    assert {status_of(order) for order in orders} == {"cancelled"}
    assert {tuple(stream_of(order)) for order in orders} <= {
        ("placed", "cancelled"),
        ("placed", "confirmed", "cancelled"),
    }
    assert set(OrdersInbox.objects.values_list("state", flat=True)) == {"applied"}
