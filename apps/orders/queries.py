"""Reads of orders, in plain values; writes nothing and asks nobody."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import Q

from . import domain
from .contracts.errors import InvalidCursor, UnknownOrder
from .models import BuyerCopy, Order, Product

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Microseconds since 1970 (16 digits reach the year 2286) and the id of the last row seen.
_CURSOR = re.compile(r"(\d{1,16})\.([0-9a-f]{32})", re.ASCII)
_LONGEST_CURSOR = 80


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some orders, newest first; `next_cursor` is None on the last page."""

    items: tuple[domain.Order, ...]
    next_cursor: str | None


def price_list() -> list[domain.Product]:
    """Return every product, by SKU."""
    return [_product(row) for row in Product.objects.all()]


def prices_of(skus: Iterable[str]) -> dict[str, domain.Product]:
    """Return the products among `skus` that exist."""
    return {row.sku: _product(row) for row in Product.objects.filter(sku__in=set(skus))}


def find_buyer(buyer_id: UUID) -> domain.Buyer | None:
    """Return the buyer from our own copy, or None if no event has told us yet."""
    row = BuyerCopy.objects.filter(id=buyer_id).first()
    if row is None:
        return None
    limit = domain.Money(amount_minor=row.credit_limit_minor, currency=row.currency)
    return domain.Buyer(id=row.id, name=row.name, credit_limit=limit)


def get_order(order_id: UUID, *, buyer_id: UUID) -> domain.Order:
    """Return a buyer's own order; raise UnknownOrder, also for somebody else's."""
    row = Order.objects.filter(id=order_id, buyer_id=buyer_id).prefetch_related("lines").first()
    if row is None:
        raise UnknownOrder(order_id=order_id)
    return order_of(row)


def orders_of(buyer_id: UUID, *, limit: int, cursor: str | None = None) -> Page:
    """Return a page of a buyer's orders, newest first; raise InvalidCursor.

    Orders that are placed meanwhile never shift a page: the cursor names a row,
    not a number of rows.
    """
    rows = Order.objects.filter(buyer_id=buyer_id).order_by("-placed_at", "-id").prefetch_related("lines")
    if cursor is not None:
        placed_at, order_id = _position(cursor)
        rows = rows.filter(Q(placed_at__lt=placed_at) | Q(placed_at=placed_at, id__lt=order_id))
    found = list(rows[: limit + 1])
    items = tuple(order_of(row) for row in found[:limit])
    return Page(items=items, next_cursor=_cursor(items[-1]) if len(found) > limit else None)


def order_of(row: Order) -> domain.Order:
    """Return the value of an order's row and its lines."""
    lines = tuple(
        domain.Line(
            sku=line.sku,
            name=line.name,
            quantity=line.quantity,
            unit_price=domain.Money(amount_minor=line.unit_price_minor, currency=row.currency),
        )
        for line in row.lines.all()
    )
    return domain.Order(
        id=row.id,
        buyer_id=row.buyer_id,
        status=row.status,
        lines=lines,
        total=domain.Money(amount_minor=row.total_minor, currency=row.currency),
        placed_at=row.placed_at,
        version=row.version,
    )


def _product(row: Product) -> domain.Product:
    price = domain.Money(amount_minor=row.price_minor, currency=row.currency)
    return domain.Product(sku=row.sku, name=row.name, price=price)


def _cursor(order: domain.Order) -> str:
    micros = (order.placed_at - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(f"{micros}.{order.id.hex}".encode()).rstrip(b"=").decode()


def _position(cursor: str) -> tuple[datetime, UUID]:
    try:
        if len(cursor) > _LONGEST_CURSOR:
            raise ValueError("too long")
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (ValueError, binascii.Error):
        raise InvalidCursor from None
    parts = _CURSOR.fullmatch(text)
    if parts is None:
        raise InvalidCursor
    return _EPOCH + timedelta(microseconds=int(parts[1])), UUID(hex=parts[2])
