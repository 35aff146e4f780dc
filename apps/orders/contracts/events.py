"""What orders tells the house: facts about one order, in the order in which they happened. No Django.

Money is integer minor units of `currency` (ISO 4217); times are aware and UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from fissile.messages import Event


@dataclass(frozen=True, kw_only=True)
class PlacedLineV1:
    """One line of a placed order, at the price it was placed at."""

    sku: str
    quantity: int
    unit_price_minor: int


@dataclass(frozen=True, kw_only=True)
class OrderPlacedV1(Event):
    """An order was accepted; it counts against the buyer from now on."""

    name: ClassVar[str] = "orders.order_placed.v1"
    aggregate_type: ClassVar[str] = "order"

    order_id: UUID
    buyer_id: UUID
    lines: tuple[PlacedLineV1, ...]
    total_minor: int
    currency: str
    placed_at: datetime
    # Added later; events from before it are read as paid for with the default.
    payment_method: str = "test-card"

    @property
    def key(self) -> str:
        """The order's id."""
        return str(self.order_id)


@dataclass(frozen=True, kw_only=True)
class OrderConfirmedV1(Event):
    """A placed order's payment is authorised: it will be delivered, and the money may be taken."""

    name: ClassVar[str] = "orders.order_confirmed.v1"
    aggregate_type: ClassVar[str] = "order"

    order_id: UUID
    buyer_id: UUID
    payment_id: UUID

    @property
    def key(self) -> str:
        """The order's id."""
        return str(self.order_id)


@dataclass(frozen=True, kw_only=True)
class OrderRejectedV1(Event):
    """A placed order's payment was refused, for `reason`; `total_minor` no longer counts against the buyer."""

    name: ClassVar[str] = "orders.order_rejected.v1"
    aggregate_type: ClassVar[str] = "order"

    order_id: UUID
    buyer_id: UUID
    reason: str
    total_minor: int
    currency: str

    @property
    def key(self) -> str:
        """The order's id."""
        return str(self.order_id)


@dataclass(frozen=True, kw_only=True)
class OrderCancelledV1(Event):
    """A placed or confirmed order was called off; `total_minor` no longer counts against the buyer."""

    name: ClassVar[str] = "orders.order_cancelled.v1"
    aggregate_type: ClassVar[str] = "order"

    order_id: UUID
    buyer_id: UUID
    reason: str
    total_minor: int
    currency: str

    @property
    def key(self) -> str:
        """The order's id."""
        return str(self.order_id)
