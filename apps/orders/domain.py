"""The rules of an order: plain values and functions. No Django, no clock, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from .contracts.errors import CreditLimitExceeded, InvalidLines, NotCancellable, UnknownProduct

# A delivery note is one sheet: fifty lines fit. A thousand of one thing fill a lorry.
MOST_LINES = 50
MOST_OF_ONE_PRODUCT = 1_000
# What an order is paid with if its buyer does not say.
TEST_CARD = "test-card"


@dataclass(frozen=True, kw_only=True)
class Money:
    """An amount in minor units (cents) of an ISO 4217 currency."""

    amount_minor: int
    currency: str


class Status(StrEnum):
    """Where an order stands."""

    PLACED = "placed"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


# Nothing happens to an order any more after these.
CLOSED = (Status.REJECTED, Status.CANCELLED)

# The state machine, closed: what is not in these tables is refused. A status that
# only newer code knows is not in them, so older code leaves such an order alone.
_AFTER_CANCELLING = {Status.PLACED: Status.CANCELLED, Status.CONFIRMED: Status.CANCELLED}
_AFTER_PAYMENT: dict[tuple[str, bool], Status] = {
    (Status.PLACED, True): Status.CONFIRMED,
    (Status.PLACED, False): Status.REJECTED,
}


@dataclass(frozen=True, kw_only=True)
class Product:
    """One row of the price list."""

    sku: str
    name: str
    price: Money


@dataclass(frozen=True, kw_only=True)
class Buyer:
    """A customer as orders sees one: somebody with a credit limit."""

    id: UUID
    name: str
    credit_limit: Money


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a buyer asks for on one line; the price is not theirs to say."""

    sku: str
    quantity: int


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of an order, at the price of the moment it was placed."""

    sku: str
    name: str
    quantity: int
    unit_price: Money

    @property
    def total(self) -> Money:
        """Quantity times unit price."""
        return Money(amount_minor=self.quantity * self.unit_price.amount_minor, currency=self.unit_price.currency)


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order as it stands. `version` counts its events; `status` may be one that newer code made."""

    id: UUID
    buyer_id: UUID
    status: str
    lines: tuple[Line, ...]
    total: Money
    placed_at: datetime
    version: int = 0


def order_from(
    wishes: Sequence[Wish], prices: Mapping[str, Product], buyer: Buyer, *, order_id: UUID, placed_at: datetime
) -> Order:
    """Turn wishes into an order at today's prices.

    Raise InvalidLines, UnknownProduct or CreditLimitExceeded.
    """
    _ensure_acceptable(wishes)
    missing = sorted({wish.sku for wish in wishes} - set(prices))
    if missing:
        raise UnknownProduct(sku=missing)
    lines = tuple(
        Line(sku=wish.sku, name=prices[wish.sku].name, quantity=wish.quantity, unit_price=prices[wish.sku].price)
        for wish in wishes
    )
    total = _total(lines)
    _ensure_within_credit(total, buyer)
    return Order(id=order_id, buyer_id=buyer.id, status=Status.PLACED, lines=lines, total=total, placed_at=placed_at)


def status_after_cancelling(status: str) -> Status:
    """Return the status that cancelling leads to; raise NotCancellable."""
    try:
        return _AFTER_CANCELLING[Status(status)]
    except (KeyError, ValueError):
        raise NotCancellable(status=status) from None


def status_after_payment(status: str, *, is_authorised: bool) -> Status | None:
    """Return the status that an authorised or refused payment leads to, or None if it is too late to matter.

    Payments' word and a cancellation may cross on their way: a cancelled order
    stays cancelled, and payments gives the money back.
    """
    return _AFTER_PAYMENT.get((status, is_authorised))


def _ensure_acceptable(wishes: Sequence[Wish]) -> None:
    if not 1 <= len(wishes) <= MOST_LINES:
        raise InvalidLines(lines=len(wishes))
    if len({wish.sku for wish in wishes}) != len(wishes):
        raise InvalidLines("Each SKU may stand on one line only; add the quantities up.")
    for wish in wishes:
        if not 1 <= wish.quantity <= MOST_OF_ONE_PRODUCT:
            raise InvalidLines(sku=wish.sku)


def _total(lines: Sequence[Line]) -> Money:
    currencies = {line.unit_price.currency for line in lines}
    if len(currencies) != 1:
        raise InvalidLines("All products of one order must be priced in the same currency.")
    return Money(amount_minor=sum(line.total.amount_minor for line in lines), currency=currencies.pop())


def _ensure_within_credit(total: Money, buyer: Buyer) -> None:
    limit = buyer.credit_limit
    # A limit in another currency is no promise in ours.
    if limit.currency != total.currency or total.amount_minor > limit.amount_minor:
        raise CreditLimitExceeded(
            total_minor=total.amount_minor, credit_limit_minor=limit.amount_minor, currency=limit.currency
        )
