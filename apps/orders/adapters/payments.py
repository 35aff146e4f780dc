"""Translates our wish to know of an order's payment into payments' request."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from apps.payments.contracts.commands import ReportPaymentV1


class PaymentsDesk:
    """A PaymentDesk over payments' receiver."""

    def wish_for_report(self, order_id: UUID, *, answer_by: datetime) -> ReportPaymentV1:
        """Return payments' request for a report; its reply comes to our event door."""
        return ReportPaymentV1(order_id=order_id, answer_by=answer_by)
