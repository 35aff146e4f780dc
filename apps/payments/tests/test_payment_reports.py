"""Requests of orders at payments' door: each is answered with what is known, once, and changes nothing."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from apps.payments.contracts.commands import PaymentReportV1, ReportPaymentV1
from apps.payments.models import Payment, PaymentsInbox, PaymentsOutbox
from apps.payments.tests.factories import placed, stream
from fissile.data.clock import database_now
from fissile.messages import from_wire
from fissile.testing.ears import Ear, sent

pytestmark = pytest.mark.django_db(databases=["payments"], transaction=True)


@pytest.fixture
def orders():
    with Ear("payments.from-orders") as ear:
        yield ear


def request_about(order_id, seconds=60):
    answer_by = database_now("payments") + timedelta(seconds=seconds)
    return sent(ReportPaymentV1(order_id=order_id, answer_by=answer_by), source="orders")


def answers():
    rows = PaymentsOutbox.objects.filter(type=PaymentReportV1.name).order_by("seq")
    return [from_wire(PaymentReportV1, row.payload) for row in rows]


@pytest.mark.parametrize(
    ("method", "status", "reason"),
    [("test-card", "authorised", ""), ("test-card-refused", "refused", "card_refused")],
)
def test_a_request_is_answered_with_how_the_payment_stands(orders, method, status, reason):
    order = placed(method=method)
    with Ear("payments.orders") as events:
        events.hear(*stream(order))
    request = request_about(order.order_id)

    orders.hear(request)
    orders.hear(request)

    payment = Payment.objects.get()
    expected = PaymentReportV1(order_id=order.order_id, status=status, payment_id=payment.id, reason=reason)
    assert answers() == [expected]
    assert payment.version == 1


def test_a_payment_that_was_never_decided_is_unknown(orders):
    order_id = uuid4()

    orders.hear(request_about(order_id))

    assert answers() == [PaymentReportV1(order_id=order_id, status="unknown")]
    assert PaymentsOutbox.objects.get().headers["to"] == "orders"


def test_a_request_whose_time_is_over_is_not_answered(orders):
    orders.hear(request_about(uuid4(), seconds=-1))

    assert answers() == []
    assert PaymentsInbox.objects.get().reason == "expired request"
