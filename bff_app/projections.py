"""The dashboard's read model, fed by orders' events through the inbox.

Not idempotent on purpose: each event is applied exactly once because the inbox
says so, and this is where it would show if it were not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F

from fissile.errors import BrokenContractError

from .models import DashboardHistory, DashboardOrder, DashboardTotals

PLACED = "placed"
CONFIRMED = "confirmed"
REJECTED = "rejected"
CANCELLED = "cancelled"


class OrderNeverPlaced(BrokenContractError):
    """An order changed that the dashboard never saw placed; the stream has a hole."""

    code = "bff.order_never_placed"


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Where an event stands: which one, its place in the order's stream, when it was recorded."""

    event: str
    version: int
    at: datetime


def add_order(
    order_id: UUID, *, buyer_id: UUID, total_minor: int, currency: str, placed_at: datetime, fact: Fact
) -> None:
    """Show a new order and count it."""
    DashboardOrder.objects.create(
        order_id=order_id,
        buyer_id=buyer_id,
        status=PLACED,
        total_minor=total_minor,
        currency=currency,
        placed_at=placed_at,
        version=fact.version,
    )
    _remember(order_id, fact)
    # Two orders of one buyer may be applied at once: insert or nothing, then add up in the database.
    DashboardTotals.objects.bulk_create([DashboardTotals(buyer_id=buyer_id, currency=currency)], ignore_conflicts=True)
    DashboardTotals.objects.filter(buyer_id=buyer_id).update(
        placed_count=F("placed_count") + 1, spent_minor=F("spent_minor") + total_minor
    )


def confirm_order(order_id: UUID, *, fact: Fact) -> None:
    """Show an order as confirmed; raise OrderNeverPlaced."""
    _show(order_id, CONFIRMED, fact)


def reject_order(order_id: UUID, *, buyer_id: UUID, total_minor: int, fact: Fact) -> None:
    """Show an order as rejected and take it out of the sum; raise OrderNeverPlaced."""
    _show(order_id, REJECTED, fact)
    DashboardTotals.objects.filter(buyer_id=buyer_id).update(
        rejected_count=F("rejected_count") + 1, spent_minor=F("spent_minor") - total_minor
    )


def cancel_order(order_id: UUID, *, buyer_id: UUID, total_minor: int, fact: Fact) -> None:
    """Show an order as cancelled and take it out of the sum; raise OrderNeverPlaced."""
    _show(order_id, CANCELLED, fact)
    DashboardTotals.objects.filter(buyer_id=buyer_id).update(
        cancelled_count=F("cancelled_count") + 1, spent_minor=F("spent_minor") - total_minor
    )


def _show(order_id: UUID, status: str, fact: Fact) -> None:
    changed = DashboardOrder.objects.filter(order_id=order_id).update(status=status, version=fact.version)
    if not changed:
        raise OrderNeverPlaced(f"Order {order_id} was {status} at version {fact.version}, but never placed here.")
    _remember(order_id, fact)


def _remember(order_id: UUID, fact: Fact) -> None:
    DashboardHistory.objects.create(order_id=order_id, version=fact.version, event=fact.event, at=fact.at)
