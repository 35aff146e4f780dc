"""The BFF's event door: orders' facts, through the inbox, onto the dashboard."""

from __future__ import annotations

from apps.orders.contracts.events import OrderCancelledV1, OrderConfirmedV1, OrderPlacedV1, OrderRejectedV1
from fissile.events.consumers import consumes
from fissile.messages import Envelope

from . import projections


@consumes(OrderPlacedV1, into="bff")
def show_order(event: OrderPlacedV1, message: Envelope) -> None:
    """Put a new order on its buyer's dashboard."""
    projections.add_order(
        event.order_id,
        buyer_id=event.buyer_id,
        total_minor=event.total_minor,
        currency=event.currency,
        placed_at=event.placed_at,
        fact=_fact(message),
    )


@consumes(OrderConfirmedV1, into="bff")
def show_confirmation(event: OrderConfirmedV1, message: Envelope) -> None:
    """Show an order as confirmed."""
    projections.confirm_order(event.order_id, fact=_fact(message))


@consumes(OrderRejectedV1, into="bff")
def show_rejection(event: OrderRejectedV1, message: Envelope) -> None:
    """Show an order as rejected."""
    projections.reject_order(
        event.order_id, buyer_id=event.buyer_id, total_minor=event.total_minor, fact=_fact(message)
    )


@consumes(OrderCancelledV1, into="bff")
def show_cancellation(event: OrderCancelledV1, message: Envelope) -> None:
    """Show an order as cancelled."""
    projections.cancel_order(
        event.order_id, buyer_id=event.buyer_id, total_minor=event.total_minor, fact=_fact(message)
    )


def _fact(message: Envelope) -> projections.Fact:
    return projections.Fact(event=message.type, version=message.aggregateversion, at=message.time)
