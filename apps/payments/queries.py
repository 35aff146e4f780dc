"""Reads of payments, in plain values; writes nothing and asks nobody."""

from __future__ import annotations

from uuid import UUID

from . import domain
from .contracts.errors import UnknownPayment
from .models import Payment


def get_payment(order_id: UUID, *, buyer_id: UUID) -> domain.Payment:
    """Return the payment of a buyer's own order; raise UnknownPayment, also for somebody else's."""
    row = Payment.objects.filter(order_id=order_id, buyer_id=buyer_id).prefetch_related("lines").first()
    if row is None:
        raise UnknownPayment(order_id=order_id)
    return payment_of(row)


def find_payment(order_id: UUID) -> domain.Payment | None:
    """Return the payment of an order, whoever's it is, or None if none was decided."""
    row = Payment.objects.filter(order_id=order_id).prefetch_related("lines").first()
    return payment_of(row) if row else None


def payment_of(row: Payment) -> domain.Payment:
    """Return the value of a payment's row; its balance is what its ledger adds up to."""
    lines = [domain.Line(kind=domain.Kind(line.kind), amount_minor=line.amount_minor) for line in row.lines.all()]
    return domain.Payment(
        id=row.id,
        order_id=row.order_id,
        buyer_id=row.buyer_id,
        status=row.status,
        amount=domain.Money(amount_minor=row.amount_minor, currency=row.currency),
        balance=domain.balance_of(lines),
        refusal_reason=row.refusal_reason,
        decided_at=row.decided_at,
        version=row.version,
    )
