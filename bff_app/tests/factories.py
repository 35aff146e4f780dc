"""Things that tests of the web BFF start from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from django.test import Client

from apps.orders.contracts.events import (
    OrderCancelledV1,
    OrderConfirmedV1,
    OrderPlacedV1,
    OrderRejectedV1,
    PlacedLineV1,
)
from bff_app.ports import Profile
from fissile.data.guard import writing
from fissile.events.consumers import consumer
from fissile.messages import Event, uuid7
from fissile.testing.ears import told
from fissile.trust import issue_access

PLACED_AT = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)


def a_profile(**facts: Any) -> Profile:
    return Profile(**{"id": uuid4(), "name": "Rosa", "email": "rosa@example.com"} | facts)


def placed(buyer_id: UUID, *, order_id: UUID | None = None, total_minor: int = 2_500) -> OrderPlacedV1:
    return OrderPlacedV1(
        order_id=order_id or uuid7(),
        buyer_id=buyer_id,
        lines=(PlacedLineV1(sku="slate-tile", quantity=1, unit_price_minor=total_minor),),
        total_minor=total_minor,
        currency="EUR",
        placed_at=PLACED_AT,
    )


def confirmed(order: OrderPlacedV1) -> OrderConfirmedV1:
    return OrderConfirmedV1(order_id=order.order_id, buyer_id=order.buyer_id, payment_id=uuid7())


def rejected(order: OrderPlacedV1) -> OrderRejectedV1:
    return OrderRejectedV1(
        order_id=order.order_id,
        buyer_id=order.buyer_id,
        reason="card_refused",
        total_minor=order.total_minor,
        currency=order.currency,
    )


def cancelled(order: OrderPlacedV1) -> OrderCancelledV1:
    return OrderCancelledV1(
        order_id=order.order_id,
        buyer_id=order.buyer_id,
        reason="by the buyer",
        total_minor=order.total_minor,
        currency=order.currency,
    )


def hear(event: Event, version: int) -> None:
    """Hand an event to its handler, past the inbox."""
    with writing("bff"):
        consumer("bff.orders").handle(told(event, version))


def browser(user_id: UUID | None = None) -> Client:
    """An HTTP client, logged in as `user_id` if one is given."""
    return Client(headers={"authorization": f"Bearer {issue_access(user_id)}"} if user_id else {})
