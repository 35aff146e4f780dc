"""Asking payments how an order's money stands: the request leaves with the operator's wish, the reply settles."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from apps.orders import queries, usecases, wiring
from apps.orders.contracts.errors import UnknownOrder
from apps.orders.models import OrdersInbox, OrdersOutbox
from apps.orders.tests.factories import a_placed_order
from apps.payments.contracts.commands import PaymentReportV1, ReportPaymentV1
from fissile.messages import uuid7
from fissile.testing.ears import Ear, replied

pytestmark = pytest.mark.django_db(databases=["orders"], transaction=True)

PAYMENT_ID = UUID("0198aa00-0000-7000-8000-000000000003")


@pytest.fixture
def payments():
    with Ear("orders.from-payments") as ear:
        yield ear


def ask(order, **options):
    return usecases.ask_for_payment(order.id, payments=wiring.payments(), **options)


def report(order, status, *, payment_id=PAYMENT_ID, reason=""):
    return PaymentReportV1(order_id=order.id, status=status, payment_id=payment_id, reason=reason)


def status_of(order):
    return queries.get_order(order.id, buyer_id=order.buyer_id).status


def test_a_request_goes_to_payments_alone_and_changes_nothing_here():
    order = a_placed_order()

    request_id = ask(order)

    row = OrdersOutbox.objects.get(id=request_id)
    assert (row.type, row.headers["to"]) == (ReportPaymentV1.name, "payments")
    assert row.payload["order_id"] == str(order.id)
    assert status_of(order) == "placed"


def test_nobody_is_asked_about_an_order_that_does_not_exist():
    with pytest.raises(UnknownOrder):
        usecases.ask_for_payment(uuid4(), payments=wiring.payments())

    assert not OrdersOutbox.objects.exists()


@pytest.mark.parametrize(
    ("status", "reason", "becomes"),
    [
        ("authorised", "", "confirmed"),
        ("captured", "", "confirmed"),
        ("refused", "card_refused", "rejected"),
        ("voided", "", "placed"),
        ("refunded", "", "placed"),
        ("a status of next year", "", "placed"),
    ],
)
def test_a_report_settles_the_order_it_is_about(payments, status, reason, becomes):
    order = a_placed_order()

    payments.hear(replied(report(order, status, reason=reason), ask(order), source="payments"))

    assert status_of(order) == becomes


def test_a_payment_that_payments_knows_nothing_of_leaves_the_order_waiting(payments):
    order = a_placed_order()

    payments.hear(replied(report(order, "unknown", payment_id=None), ask(order), source="payments"))

    assert status_of(order) == "placed"


def test_a_report_that_crosses_with_the_event_settles_nothing_twice(payments):
    order = a_placed_order()
    request_id = ask(order)
    usecases.confirm_order(order.id, payment_id=uuid7())

    payments.hear(replied(report(order, "refused", reason="card_refused"), request_id, source="payments"))

    assert status_of(order) == "confirmed"


def test_a_late_report_settles_nothing(payments):
    order = a_placed_order()

    payments.hear(replied(report(order, "authorised"), ask(order, within=timedelta(0)), source="payments"))

    assert status_of(order) == "placed"
    assert OrdersInbox.objects.get().reason == "late reply"
