"""The read model of the dashboard, on the BFF's own database; written by projections only."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from fissile.events.models import ConsumerRow, InboxRow, PositionRow


class DashboardOrder(models.Model):
    """An order as the dashboard shows it; `version` is that of the last event in it."""

    order_id = models.UUIDField(primary_key=True)
    buyer_id = models.UUIDField()
    status = models.CharField(max_length=16)
    total_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    placed_at = models.DateTimeField()
    version = models.PositiveIntegerField()

    class Meta:
        db_table = "bff_dashboard_order"
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["buyer_id", "-placed_at", "-order_id"], name="bff_dashboard_newest")
        ]

    def __str__(self) -> str:
        return f"order {self.order_id}@{self.version} {self.status}"


class DashboardHistory(models.Model):
    """One row for each event that was applied, in the order in which it was.

    Deliberately without a unique constraint: an event applied twice, or out of
    turn, must be visible here and not be swallowed.
    """

    id = models.BigAutoField(primary_key=True)
    order_id = models.UUIDField()
    version = models.PositiveIntegerField()
    event = models.CharField(max_length=80)
    at = models.DateTimeField()

    class Meta:
        db_table = "bff_dashboard_history"
        verbose_name_plural = "dashboard history"
        indexes: ClassVar[list[Any]] = [models.Index(fields=["order_id", "id"], name="bff_history_of_order")]

    def __str__(self) -> str:
        return f"{self.event} {self.order_id}@{self.version}"


class DashboardTotals(models.Model):
    """Sums per buyer, counted up event by event; a double effect would show here too."""

    buyer_id = models.UUIDField(primary_key=True)
    placed_count = models.PositiveIntegerField(default=0)
    cancelled_count = models.PositiveIntegerField(default=0)
    # With a default of the database's: code from before this column goes on inserting during a deploy.
    rejected_count = models.PositiveIntegerField(default=0, db_default=0)
    spent_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)

    class Meta:
        db_table = "bff_dashboard_totals"
        verbose_name_plural = "dashboard totals"

    def __str__(self) -> str:
        return f"totals of {self.buyer_id}"


class BffInbox(InboxRow):
    """Messages for the BFF's consumers."""

    class Meta(InboxRow.Meta):
        db_table = "bff_inbox"


class BffPosition(PositionRow):
    """How far the BFF's consumers have come."""

    class Meta(PositionRow.Meta):
        db_table = "bff_position"


class BffConsumer(ConsumerRow):
    """Which of the BFF's consumers an operator has paused."""

    class Meta(ConsumerRow.Meta):
        db_table = "bff_consumer"
