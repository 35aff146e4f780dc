"""The JSON shapes of orders, version 1."""

from __future__ import annotations

from rest_framework import serializers

from apps.orders.domain import MOST_LINES, MOST_OF_ONE_PRODUCT, TEST_CARD
from fissile.edge.api.fields import Identifier, Moment, Money, QuerySerializer, StrictSerializer, Text, Whole

SKU_PATTERN = r"^[a-z0-9][a-z0-9-]{1,39}$"
# An opaque token: what it stands for is payments' business.
PAYMENT_METHOD_PATTERN = r"^[a-z0-9-]{1,64}$"
CURSOR_PATTERN = r"^[A-Za-z0-9_-]+$"


class Product(serializers.Serializer):  # type: ignore[type-arg]
    """A product and what it costs today."""

    sku = Text(shortest=2, longest=40, pattern=SKU_PATTERN)
    name = Text(longest=120)
    price = Money()


class PriceList(serializers.Serializer):  # type: ignore[type-arg]
    """Everything there is to order."""

    items = Product(many=True)


class Wish(StrictSerializer):
    """One line as the buyer wants it; the price is ours to say."""

    sku = Text(shortest=2, longest=40, pattern=SKU_PATTERN, example="slate-tile")
    quantity = Whole(lowest=1, highest=MOST_OF_ONE_PRODUCT, example=2)


class PlaceOrder(StrictSerializer):
    """What a buyer wants, each SKU on one line, and how it will be paid for."""

    lines = serializers.ListField(child=Wish(), min_length=1, max_length=MOST_LINES)
    payment_method = Text(
        longest=64,
        pattern=PAYMENT_METHOD_PATTERN,
        required=False,
        default=TEST_CARD,
        example=TEST_CARD,
        help_text="What the payment is asked of. Payments refuses what it does not know, and so the order is rejected.",
    )


class Line(serializers.Serializer):  # type: ignore[type-arg]
    """One line, at the price it was ordered at."""

    sku = Text(shortest=2, longest=40, pattern=SKU_PATTERN)
    name = Text(longest=120)
    quantity = Whole(lowest=1, highest=MOST_OF_ONE_PRODUCT)
    unit_price = Money()
    line_total = Money(source="total")


class Order(serializers.Serializer):  # type: ignore[type-arg]
    """An order as it stands; `version` goes up with every change."""

    id = Identifier()
    status = Text(longest=16)
    lines = Line(many=True)
    total = Money()
    placed_at = Moment()
    version = Whole(lowest=1)


class OrderPage(serializers.Serializer):  # type: ignore[type-arg]
    """Orders, newest first; `next_cursor` is null on the last page."""

    items = Order(many=True)
    next_cursor = Text(longest=80, pattern=CURSOR_PATTERN, allow_null=True)


class PageQuery(QuerySerializer):
    """Which part of the list."""

    limit = Whole(lowest=1, highest=100, required=False, default=20, help_text="Orders on a page.")
    cursor = Text(longest=80, pattern=CURSOR_PATTERN, required=False, help_text="`next_cursor` of the page before.")
