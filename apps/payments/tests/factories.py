"""Things that tests of payments start from."""

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
from apps.payments import usecases
from apps.payments.domain import Money
from apps.payments.models import LedgerLine, Payment, PaymentsOutbox
from fissile.messages import Envelope, Event, uuid7
from fissile.testing.ears import told
from fissile.trust import issue_access

AMOUNT_MINOR = 2_500
PLACED_AT = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)


def euros(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="EUR")


def a_payment(
    *steps: str, method: str = "test-card", amount_minor: int = AMOUNT_MINOR, buyer_id: UUID | None = None
) -> Payment:
    """A payment that went through the use cases: decided, then `steps` (capture, void, refund) of an operator."""
    order_id = uuid7()
    usecases.authorise_payment(order_id, buyer_id=buyer_id or uuid4(), amount=euros(amount_minor), method=method)
    for step in steps:
        getattr(usecases, f"{step}_payment")(order_id, reason="by a test")
    return Payment.objects.get(order_id=order_id)


def ledger_of(order_id: UUID) -> list[tuple[str, int]]:
    """The lines of an order's payment, as they were written."""
    return list(LedgerLine.objects.filter(payment__order_id=order_id).values_list("kind", "amount_minor"))


def stream_of(order_id: UUID) -> list[str]:
    """What was told about an order's payment, in order."""
    rows = PaymentsOutbox.objects.filter(payload__order_id=str(order_id)).order_by("version")
    assert [row.version for row in rows] == list(range(1, len(rows) + 1))
    return [row.type.split(".")[1].removeprefix("payment_") for row in rows]


# -- orders' events


def placed(*, method: str | None = None, amount_minor: int = AMOUNT_MINOR) -> OrderPlacedV1:
    more: dict[str, Any] = {} if method is None else {"payment_method": method}
    return OrderPlacedV1(
        order_id=uuid7(),
        buyer_id=uuid4(),
        lines=(PlacedLineV1(sku="slate-tile", quantity=1, unit_price_minor=amount_minor),),
        total_minor=amount_minor,
        currency="EUR",
        placed_at=PLACED_AT,
        **more,
    )


def confirmed(order: OrderPlacedV1) -> OrderConfirmedV1:
    return OrderConfirmedV1(order_id=order.order_id, buyer_id=order.buyer_id, payment_id=uuid4())


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


def stream(*events: Event) -> list[Envelope]:
    """One order's events as messages, versions 1 to n."""
    return [told(event, version) for version, event in enumerate(events, start=1)]


def browser(buyer_id: UUID | None = None) -> Client:
    """An HTTP client, logged in as `buyer_id` if one is given."""
    return Client(headers={"authorization": f"Bearer {issue_access(buyer_id)}"} if buyer_id else {})
