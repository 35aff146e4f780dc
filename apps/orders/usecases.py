"""Use cases of orders: one function per wish a buyer or an operator can have.

May touch: domain, tables, queries, ports (as arguments), the unit of work. Never: HTTP, Celery.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from fissile.data import commands
from fissile.data.unit_of_work import UnitOfWork, unit_of_work
from fissile.errors import BrokenContractError
from fissile.messages import Event, uuid7
from fissile.watch.tracing import span

from . import domain, queries
from .contracts.errors import UnknownBuyer, UnknownOrder
from .contracts.events import OrderCancelledV1, OrderConfirmedV1, OrderPlacedV1, OrderRejectedV1, PlacedLineV1
from .models import Order, OrderLine
from .ports import BuyerDirectory, PaymentDesk

# An operator who asks looks again within minutes; an answer that comes after that is of no use to anybody.
REPORT_WITHIN = timedelta(minutes=5)


class PaymentOfNoOrder(BrokenContractError):
    """A payment was decided for an order that was never placed here; the streams do not fit."""

    code = "orders.payment_of_no_order"


def place_order(
    wishes: Sequence[domain.Wish],
    *,
    buyer_id: UUID,
    payment_method: str,
    claim: commands.Claim | None,
    buyers: BuyerDirectory,
    render: Callable[[domain.Order], commands.Answer],
) -> commands.Answer:
    """Turn wishes into an order of a known buyer; the same `claim` gives the same answer again.

    Raise UnknownBuyer; UnreachableError if only users could say who that is and does not answer.
    """
    order_id = uuid7()

    def gather() -> domain.Buyer:
        # Our own copy first: users may be down, and known buyers still order (decision 4).
        buyer = queries.find_buyer(buyer_id) or buyers.find_buyer(buyer_id)
        if buyer is None:
            raise UnknownBuyer(buyer_id=buyer_id)
        return buyer

    def decide(work: UnitOfWork, buyer: domain.Buyer) -> domain.Order:
        prices = queries.prices_of(wish.sku for wish in wishes)
        order = domain.order_from(wishes, prices, buyer, order_id=order_id, placed_at=work.now)
        return _place(order, payment_method, work)

    with span("usecase orders.place_order", order_id=order_id):
        return commands.run("orders", claim=claim, gather=gather, decide=decide, render=render)


def cancel_order(order_id: UUID, *, buyer_id: UUID, reason: str) -> domain.Order:
    """Cancel a buyer's order and tell the neighbours why; a cancelled one stays as it is.

    Raise UnknownOrder, NotCancellable.
    """
    with span("usecase orders.cancel_order", order_id=order_id), unit_of_work("orders") as work:
        # The row's lock decides between two cancellations: the second finds it done.
        row = Order.objects.select_for_update().filter(id=order_id, buyer_id=buyer_id).first()
        if row is None:
            raise UnknownOrder(order_id=order_id)
        if row.status != domain.Status.CANCELLED:
            row.status = domain.status_after_cancelling(row.status)
            row.cancel_reason = reason
            work.record(row, _cancelled(row))
        return queries.order_of(row)


def confirm_order(order_id: UUID, *, payment_id: UUID) -> None:
    """Confirm a placed order, now that its payment is authorised; one that was cancelled meanwhile stays so.

    Raise PaymentOfNoOrder.
    """
    with span("usecase orders.confirm_order", order_id=order_id):
        _settle(order_id, payment_id, is_authorised=True, event_of=_confirmed)


def reject_order(order_id: UUID, *, payment_id: UUID, reason: str) -> None:
    """Reject a placed order whose payment was refused, and tell the reason; a cancelled one stays so.

    Raise PaymentOfNoOrder.
    """
    with span("usecase orders.reject_order", order_id=order_id):
        _settle(order_id, payment_id, is_authorised=False, event_of=lambda row: _rejected(row, reason))


def ask_for_payment(order_id: UUID, *, payments: PaymentDesk, within: timedelta = REPORT_WITHIN) -> UUID:
    """Ask how a placed order's payment stands, and return the request's id; the reply settles the order.

    For an order that waits for payments' word longer than it should. Raise UnknownOrder.
    """
    with span("usecase orders.ask_for_payment", order_id=order_id), unit_of_work("orders") as work:
        if not Order.objects.filter(id=order_id).exists():
            raise UnknownOrder(order_id=order_id)
        return work.send(payments.wish_for_report(order_id, answer_by=work.now + within))


def _settle(order_id: UUID, payment_id: UUID, *, is_authorised: bool, event_of: Callable[[Order], Event]) -> None:
    with unit_of_work("orders") as work:
        # The row's lock decides between payments' word and a cancellation.
        row = Order.objects.select_for_update().filter(id=order_id).first()
        if row is None:
            raise PaymentOfNoOrder(f"Payment {payment_id} was decided for order {order_id}, which was never placed.")
        status = domain.status_after_payment(row.status, is_authorised=is_authorised)
        if status is not None:
            row.status, row.payment_id = status, payment_id
            work.record(row, event_of(row))


def _place(order: domain.Order, payment_method: str, work: UnitOfWork) -> domain.Order:
    row = Order(
        id=order.id,
        buyer_id=order.buyer_id,
        status=order.status,
        total_minor=order.total.amount_minor,
        currency=order.total.currency,
        placed_at=order.placed_at,
    )
    work.record(row, _placed(order, payment_method))
    OrderLine.objects.bulk_create(
        OrderLine(
            order=row,
            position=position,
            sku=line.sku,
            name=line.name,
            quantity=line.quantity,
            unit_price_minor=line.unit_price.amount_minor,
        )
        for position, line in enumerate(order.lines)
    )
    return replace(order, version=row.version)


def _placed(order: domain.Order, payment_method: str) -> OrderPlacedV1:
    return OrderPlacedV1(
        order_id=order.id,
        buyer_id=order.buyer_id,
        lines=tuple(
            PlacedLineV1(sku=line.sku, quantity=line.quantity, unit_price_minor=line.unit_price.amount_minor)
            for line in order.lines
        ),
        total_minor=order.total.amount_minor,
        currency=order.total.currency,
        placed_at=order.placed_at,
        payment_method=payment_method,
    )


def _confirmed(row: Order) -> OrderConfirmedV1:
    if row.payment_id is None:
        raise AssertionError("only a payment confirms an order: _settle() stands before this")
    return OrderConfirmedV1(order_id=row.id, buyer_id=row.buyer_id, payment_id=row.payment_id)


def _rejected(row: Order, reason: str) -> OrderRejectedV1:
    return OrderRejectedV1(
        order_id=row.id,
        buyer_id=row.buyer_id,
        reason=reason,
        total_minor=row.total_minor,
        currency=row.currency,
    )


def _cancelled(row: Order) -> OrderCancelledV1:
    return OrderCancelledV1(
        order_id=row.id,
        buyer_id=row.buyer_id,
        reason=row.cancel_reason,
        total_minor=row.total_minor,
        currency=row.currency,
    )
