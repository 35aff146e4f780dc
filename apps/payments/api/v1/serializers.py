"""The JSON shapes of payments, version 1."""

from __future__ import annotations

from rest_framework import serializers

from fissile.edge.api.fields import Identifier, Moment, Money, Text, Whole


class Payment(serializers.Serializer):  # type: ignore[type-arg]
    """The payment of an order; `held` and `charged` are what its ledger adds up to."""

    id = Identifier()
    order_id = Identifier()
    status = Text(longest=16)
    amount = Money()
    held = Money()
    charged = Money()
    refusal_reason = Text(longest=64, allow_null=True, help_text="A code; null unless the payment was refused.")
    decided_at = Moment()
    version = Whole(lowest=1)
