"""The JSON shapes of the dashboard, version 1."""

from __future__ import annotations

from rest_framework import serializers

from fissile.edge.api.fields import Identifier, Moment, Money, QuerySerializer, Text, Whole


class Profile(serializers.Serializer):  # type: ignore[type-arg]
    """Whose dashboard it is."""

    id = Identifier()
    name = Text(longest=200)
    email = Text(longest=254)


class HistoryEntry(serializers.Serializer):  # type: ignore[type-arg]
    """One event of an order."""

    version = Whole(lowest=1)
    event = Text(longest=80)
    at = Moment()


class Order(serializers.Serializer):  # type: ignore[type-arg]
    """An order, and what has happened to it."""

    id = Identifier()
    status = Text(longest=16)
    total = Money()
    placed_at = Moment()
    history = HistoryEntry(many=True)


class Totals(serializers.Serializer):  # type: ignore[type-arg]
    """Sums over all orders; cancelled and rejected ones are not in `spent`."""

    orders_placed = Whole()
    orders_cancelled = Whole()
    orders_rejected = Whole()
    spent = Money()


class MissingPart(serializers.Serializer):  # type: ignore[type-arg]
    """A part that could not be had in time."""

    part = serializers.ChoiceField(choices=["profile", "orders"])
    reason = Text(longest=80, help_text="`late`, or the code of what went wrong.")


class Dashboard(serializers.Serializer):  # type: ignore[type-arg]
    """One screen. A part named in `missing` is null (`profile`, `totals`) or empty (`orders`): unknown, not none."""

    profile = Profile(allow_null=True)
    orders = Order(many=True)
    totals = Totals(allow_null=True)
    missing = MissingPart(many=True)


class DashboardQuery(QuerySerializer):
    """How much of it."""

    limit = Whole(lowest=1, highest=100, required=False, default=20, help_text="Orders shown, the newest first.")
