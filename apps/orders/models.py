"""Tables of orders, on its own database. No rules."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from fissile.data.models import AggregateRow, IdempotencyRow
from fissile.events.models import ConsumerRow, InboxRow, LaneRow, OutboxRow, PositionRow

from .domain import Status


class Product(models.Model):
    """The price list; prices in minor units."""

    sku = models.CharField(primary_key=True, max_length=40)
    name = models.CharField(max_length=120)
    price_minor = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)

    class Meta:
        db_table = "orders_product"
        ordering: ClassVar[list[Any]] = ["sku"]

    def __str__(self) -> str:
        return self.sku


class BuyerCopy(models.Model):
    """What users' events have said about a customer; written by projections only.

    `version` is the version of the last event that is in it.
    """

    id = models.UUIDField(primary_key=True)
    name = models.CharField(max_length=200)
    credit_limit_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    version = models.PositiveIntegerField()

    class Meta:
        db_table = "orders_buyer_copy"
        verbose_name = "buyer (copy)"
        verbose_name_plural = "buyers (copies)"

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"


class Order(AggregateRow):
    """An order; it changes through work.record() only, and a trigger stands behind that."""

    buyer_id = models.UUIDField()
    status = models.CharField(max_length=16, choices=[(status.value, status.name.title()) for status in Status])
    total_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    placed_at = models.DateTimeField()
    cancel_reason = models.TextField(default="", blank=True)
    # Of the payment that confirmed or rejected it; none before.
    payment_id = models.UUIDField(null=True, blank=True)

    class Meta:
        db_table = "orders_order"
        indexes: ClassVar[list[Any]] = [
            # Newest first for one buyer, and the same order as the cursor's.
            models.Index(fields=["buyer_id", "-placed_at", "-id"], name="orders_order_newest")
        ]

    def __str__(self) -> str:
        return f"order {self.id}"


class OrderLine(models.Model):
    """One line of an order; written once, with it."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="lines")
    position = models.PositiveSmallIntegerField()
    sku = models.CharField(max_length=40)
    name = models.CharField(max_length=120)
    quantity = models.PositiveIntegerField()
    unit_price_minor = models.PositiveIntegerField()

    class Meta:
        db_table = "orders_order_line"
        ordering: ClassVar[list[Any]] = ["position"]
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["order", "position"], name="orders_order_line_position")
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.sku}"


class OrdersOutbox(OutboxRow):
    """The log of orders' events."""

    class Meta(OutboxRow.Meta):
        db_table = "orders_outbox"


class OrdersLane(LaneRow):
    """The leases of orders' relays: one a lane."""

    class Meta(LaneRow.Meta):
        db_table = "orders_lane"


class OrdersInbox(InboxRow):
    """Messages for orders' consumers."""

    class Meta(InboxRow.Meta):
        db_table = "orders_inbox"


class OrdersPosition(PositionRow):
    """How far orders' consumers have come."""

    class Meta(PositionRow.Meta):
        db_table = "orders_position"


class OrdersConsumer(ConsumerRow):
    """Which of orders' consumers an operator has paused."""

    class Meta(ConsumerRow.Meta):
        db_table = "orders_consumer"


class OrdersIdempotencyKey(IdempotencyRow):
    """Answers of orders to requests with an Idempotency-Key."""

    class Meta(IdempotencyRow.Meta):
        db_table = "orders_idempotency_key"
