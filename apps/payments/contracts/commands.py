"""What payments does for a context that says so to it alone, and what it answers. No Django."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from fissile.messages import Reply, Request


@dataclass(frozen=True, kw_only=True)
class PaymentReportV1(Reply):
    """How the payment of an order stands.

    `status` is a code: `authorised`, `refused`, `captured`, `voided`, `refunded`, or
    `unknown` if payments has decided nothing for this order; then there is no `payment_id`.
    `reason` is the code of a refusal, as in `payments.payment_refused.v1`, else empty.
    """

    name: ClassVar[str] = "payments.payment_report.v1"

    order_id: UUID
    status: str
    payment_id: UUID | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ReportPaymentV1(Request):
    """Say how the payment of an order stands."""

    name: ClassVar[str] = "payments.report_payment.v1"
    answer: ClassVar[type[Reply]] = PaymentReportV1

    order_id: UUID
