"""Reads of the dashboard's own model, in plain values; writes nothing and asks nobody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import InterfaceError, OperationalError

from fissile.errors import UnreachableError

from .models import DashboardHistory, DashboardOrder, DashboardTotals

# What somebody without an order has spent nothing of.
CURRENCY = "EUR"


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """One event of an order, as it was applied."""

    version: int
    event: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class ShownOrder:
    """An order on the dashboard; money in minor units."""

    id: UUID
    status: str
    total_minor: int
    currency: str
    placed_at: datetime
    history: tuple[HistoryEntry, ...]


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Sums over all of a buyer's orders; `spent_minor` leaves cancelled and rejected ones out."""

    placed: int = 0
    cancelled: int = 0
    rejected: int = 0
    spent_minor: int = 0
    currency: str = CURRENCY


@dataclass(frozen=True, kw_only=True)
class Orders:
    """The newest orders of a buyer, and the sums over all of them."""

    shown: tuple[ShownOrder, ...]
    totals: Totals


def orders_of(buyer_id: UUID, *, limit: int) -> Orders:
    """Return a buyer's newest orders, newest first, and totals; raise UnreachableError without our database."""
    try:
        rows = list(DashboardOrder.objects.filter(buyer_id=buyer_id).order_by("-placed_at", "-order_id")[:limit])
        history = _history(row.order_id for row in rows)
        totals = DashboardTotals.objects.filter(buyer_id=buyer_id).first()
    except (OperationalError, InterfaceError) as lost:
        raise UnreachableError("The dashboard's own database does not answer; try again shortly.") from lost
    return Orders(
        shown=tuple(_shown(row, history[row.order_id]) for row in rows),
        totals=_totals(totals) if totals else Totals(),
    )


def _history(order_ids: Iterable[UUID]) -> defaultdict[UUID, list[HistoryEntry]]:
    found: defaultdict[UUID, list[HistoryEntry]] = defaultdict(list)
    for row in DashboardHistory.objects.filter(order_id__in=list(order_ids)).order_by("id"):
        found[row.order_id].append(HistoryEntry(version=row.version, event=row.event, at=row.at))
    return found


def _shown(row: DashboardOrder, history: list[HistoryEntry]) -> ShownOrder:
    return ShownOrder(
        id=row.order_id,
        status=row.status,
        total_minor=row.total_minor,
        currency=row.currency,
        placed_at=row.placed_at,
        history=tuple(history),
    )


def _totals(row: DashboardTotals) -> Totals:
    return Totals(
        placed=row.placed_count,
        cancelled=row.cancelled_count,
        rejected=row.rejected_count,
        spent_minor=row.spent_minor,
        currency=row.currency,
    )
