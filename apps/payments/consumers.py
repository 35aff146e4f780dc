"""The event door of payments: what becomes of an order, through the inbox, to its payment; and what is asked of it."""

from __future__ import annotations

from apps.orders.contracts.events import OrderCancelledV1, OrderConfirmedV1, OrderPlacedV1
from fissile.events.consumers import consumes
from fissile.events.receivers import takes
from fissile.messages import Envelope

from . import queries, usecases
from .contracts.commands import PaymentReportV1, ReportPaymentV1
from .domain import Money


@consumes(OrderPlacedV1, into="payments")
def authorise_payment(event: OrderPlacedV1, message: Envelope) -> None:
    """Ask for the money of a new order."""
    usecases.authorise_payment(
        event.order_id,
        buyer_id=event.buyer_id,
        amount=Money(amount_minor=event.total_minor, currency=event.currency),
        method=event.payment_method,
    )


@consumes(OrderConfirmedV1, into="payments")
def capture_payment(event: OrderConfirmedV1, message: Envelope) -> None:
    """Take the money of a confirmed order."""
    usecases.settle_confirmed_order(event.order_id)


@consumes(OrderCancelledV1, into="payments")
def give_back(event: OrderCancelledV1, message: Envelope) -> None:
    """Let go or give back the money of a cancelled order."""
    usecases.settle_cancelled_order(event.order_id, reason=event.reason)


@takes(ReportPaymentV1)
def report_payment(request: ReportPaymentV1, message: Envelope) -> PaymentReportV1:
    """Say how the payment of an order stands."""
    payment = queries.find_payment(request.order_id)
    if payment is None:
        return PaymentReportV1(order_id=request.order_id, status="unknown")
    return PaymentReportV1(
        order_id=payment.order_id, status=payment.status, payment_id=payment.id, reason=payment.refusal_reason
    )
