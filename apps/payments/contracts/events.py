"""What payments tells the house: facts about one payment, in the order in which they happened. No Django.

Money is integer minor units of `currency` (ISO 4217). A payment is for one order, and an order has one payment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from fissile.messages import Event


@dataclass(frozen=True, kw_only=True)
class PaymentEvent(Event):
    """What every fact about a payment says."""

    aggregate_type: ClassVar[str] = "payment"

    payment_id: UUID
    order_id: UUID
    buyer_id: UUID
    amount_minor: int
    currency: str

    @property
    def key(self) -> str:
        """The payment's id."""
        return str(self.payment_id)


@dataclass(frozen=True, kw_only=True)
class PaymentAuthorisedV1(PaymentEvent):
    """The amount is held on the buyer's payment method; nothing is taken yet."""

    name: ClassVar[str] = "payments.payment_authorised.v1"


@dataclass(frozen=True, kw_only=True)
class PaymentRefusedV1(PaymentEvent):
    """The amount cannot be had; `reason` is a code: `card_refused`, `unknown_payment_method`, maybe others later."""

    name: ClassVar[str] = "payments.payment_refused.v1"

    reason: str


@dataclass(frozen=True, kw_only=True)
class PaymentCapturedV1(PaymentEvent):
    """The amount that was held is taken; `reason` in words."""

    name: ClassVar[str] = "payments.payment_captured.v1"

    reason: str


@dataclass(frozen=True, kw_only=True)
class PaymentVoidedV1(PaymentEvent):
    """The amount that was held is let go, nothing was taken; `reason` in words."""

    name: ClassVar[str] = "payments.payment_voided.v1"

    reason: str


@dataclass(frozen=True, kw_only=True)
class PaymentRefundedV1(PaymentEvent):
    """The amount that was taken is given back; `reason` in words."""

    name: ClassVar[str] = "payments.payment_refunded.v1"

    reason: str
