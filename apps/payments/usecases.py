"""Use cases of payments: what an order's fate asks of its payment, and what an operator may do with one.

May touch: domain, tables, the unit of work (inside a consumer it joins the inbox's transaction). Never: HTTP, Celery.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from fissile.data.unit_of_work import UnitOfWork, unit_of_work
from fissile.errors import BrokenContractError
from fissile.watch.tracing import span

from . import domain
from .contracts.errors import UnknownPayment
from .contracts.events import (
    PaymentAuthorisedV1,
    PaymentCapturedV1,
    PaymentEvent,
    PaymentRefundedV1,
    PaymentRefusedV1,
    PaymentVoidedV1,
)
from .domain import Status, Step
from .models import LedgerLine, Payment

_EVENTS: dict[Status, Callable[..., PaymentEvent]] = {
    Status.CAPTURED: PaymentCapturedV1,
    Status.VOIDED: PaymentVoidedV1,
    Status.REFUNDED: PaymentRefundedV1,
}


class PaymentNeverDecided(BrokenContractError):
    """An order came further whose payment was never decided here; its stream has a hole."""

    code = "payments.payment_never_decided"


def authorise_payment(order_id: UUID, *, buyer_id: UUID, amount: domain.Money, method: str) -> None:
    """Ask the payment method for an order's money, once, and tell whether it is authorised or refused."""
    with span("usecase payments.authorise_payment", order_id=order_id), unit_of_work("payments") as work:
        if Payment.objects.filter(order_id=order_id).exists():
            return
        decision = domain.decide(method)
        row = Payment(
            order_id=order_id,
            buyer_id=buyer_id,
            method=method,
            status=decision.status,
            refusal_reason=decision.refusal_reason,
            amount_minor=amount.amount_minor,
            currency=amount.currency,
            decided_at=work.now,
        )
        if decision.status is Status.AUTHORISED:
            work.record(row, PaymentAuthorisedV1(**_facts(row)))
        else:
            work.record(row, PaymentRefusedV1(**_facts(row), reason=decision.refusal_reason))
        _write_lines(row, decision.status, work)


def settle_confirmed_order(order_id: UUID) -> None:
    """Take the money that is held for a confirmed order; a payment that came further stays as it is.

    Raise PaymentNeverDecided.
    """
    with span("usecase payments.settle_confirmed_order", order_id=order_id):
        _settle(order_id, domain.step_after_confirmation, reason="the order was confirmed")


def settle_cancelled_order(order_id: UUID, *, reason: str) -> None:
    """Let go or give back the money of a cancelled order, whichever is due, if any.

    Raise PaymentNeverDecided.
    """
    with span("usecase payments.settle_cancelled_order", order_id=order_id):
        _settle(order_id, domain.step_after_cancellation, reason=f"the order was cancelled: {reason}")


def capture_payment(order_id: UUID, *, reason: str) -> None:
    """Take the money that is held for an order. Raise UnknownPayment, NotCapturable."""
    _take(order_id, Step.CAPTURE, reason=reason)


def void_payment(order_id: UUID, *, reason: str) -> None:
    """Let go the money that is held for an order. Raise UnknownPayment, NotVoidable."""
    _take(order_id, Step.VOID, reason=reason)


def refund_payment(order_id: UUID, *, reason: str) -> None:
    """Give back the money that was taken for an order. Raise UnknownPayment, NotRefundable."""
    _take(order_id, Step.REFUND, reason=reason)


def _settle(order_id: UUID, due: Callable[[str], Step | None], *, reason: str) -> None:
    with unit_of_work("payments") as work:
        row = _locked(order_id)
        if row is None:
            raise PaymentNeverDecided(f"Order {order_id} came further, but its payment was never decided here.")
        step = due(row.status)
        if step is not None:
            _advance(row, step, reason, work)


def _take(order_id: UUID, step: Step, *, reason: str) -> None:
    with span(f"usecase payments.{step}_payment", order_id=order_id), unit_of_work("payments") as work:
        row = _locked(order_id)
        if row is None:
            raise UnknownPayment(order_id=order_id)
        _advance(row, step, reason, work)


def _locked(order_id: UUID) -> Payment | None:
    # The row's lock decides between an operator and a consumer: the second finds the other's step done.
    return Payment.objects.select_for_update().filter(order_id=order_id).first()


def _advance(row: Payment, step: Step, reason: str, work: UnitOfWork) -> None:
    status = domain.status_after(row.status, step)
    row.status = status
    work.record(row, _EVENTS[status](**_facts(row), reason=reason))
    _write_lines(row, status, work)


def _write_lines(row: Payment, status: Status, work: UnitOfWork) -> None:
    LedgerLine.objects.bulk_create(
        LedgerLine(payment=row, kind=line.kind, amount_minor=line.amount_minor, currency=row.currency, at=work.now)
        for line in domain.lines_of(status, row.amount_minor)
    )


def _facts(row: Payment) -> dict[str, Any]:
    return {
        "payment_id": row.id,
        "order_id": row.order_id,
        "buyer_id": row.buyer_id,
        "amount_minor": row.amount_minor,
        "currency": row.currency,
    }
