"""The public HTTP door of payments, version 1: translates, decides nothing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from apps.payments import domain, queries
from apps.payments.contracts import errors
from fissile.edge.api.fields import money
from fissile.edge.api.operations import operation
from fissile.edge.api.views import ApiView, shown

from . import serializers


class PaymentOfOrder(ApiView):
    """The payment of one of the buyer's own orders."""

    @operation(
        "payments_get",
        summary="The payment of one of your orders",
        responses={200: serializers.Payment},
        refusals=(errors.UnknownPayment,),
    )
    def get(self, request: Request, order_id: UUID) -> Response:
        """Decided a moment after the order was placed; until then, and for somebody else's order, it is unknown."""
        payment = queries.get_payment(order_id, buyer_id=self.user_id)
        return Response(shown(serializers.Payment, _screen(payment)))


def _screen(payment: domain.Payment) -> dict[str, Any]:
    currency = payment.amount.currency
    return {
        "id": payment.id,
        "order_id": payment.order_id,
        "status": payment.status,
        "amount": payment.amount,
        "held": money(payment.balance.held_minor, currency),
        "charged": money(payment.balance.charged_minor, currency),
        "refusal_reason": payment.refusal_reason or None,
        "decided_at": payment.decided_at,
        "version": payment.version,
    }
