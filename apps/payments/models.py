"""Tables of payments, on its own database. No rules."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from django.db import models

from fissile.data.models import AggregateRow
from fissile.errors import BrokenContractError
from fissile.events.models import ConsumerRow, InboxRow, LaneRow, OutboxRow, PositionRow

from .domain import Kind, Status


class LedgerIsAppendOnly(BrokenContractError):
    """A line of the ledger is never changed or taken away; write another one against it."""

    code = "payments.ledger_is_append_only"


class Payment(AggregateRow):
    """A payment for one order; it changes through work.record() only, and a trigger stands behind that."""

    order_id = models.UUIDField(unique=True)
    buyer_id = models.UUIDField()
    # An opaque token; its meaning is the provider's.
    method = models.CharField(max_length=64)
    status = models.CharField(max_length=16, choices=[(status.value, status.name.title()) for status in Status])
    refusal_reason = models.CharField(max_length=64, default="", blank=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    decided_at = models.DateTimeField()

    class Meta:
        db_table = "payments_payment"

    def __str__(self) -> str:
        return f"payment {self.id}"


class LedgerQuerySet(models.QuerySet["LedgerLine"]):
    """Reads and inserts; no set-based change."""

    def update(self, **values: Any) -> NoReturn:
        """Refused."""
        raise LedgerIsAppendOnly

    def delete(self) -> NoReturn:
        """Refused."""
        raise LedgerIsAppendOnly


class LedgerLine(models.Model):
    """One line of the ledger: signed, never changed, each kind at most once for a payment."""

    id = models.BigAutoField(primary_key=True)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="lines")
    kind = models.CharField(max_length=8, choices=[(kind.value, kind.name.title()) for kind in Kind])
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    at = models.DateTimeField()

    objects = LedgerQuerySet.as_manager()

    class Meta:
        db_table = "payments_ledger"
        ordering: ClassVar[list[Any]] = ["id"]
        constraints: ClassVar[list[Any]] = [
            # The last guard against a step that is taken twice, whatever the code above it does.
            models.UniqueConstraint(fields=["payment", "kind"], name="payments_ledger_once"),
            models.CheckConstraint(
                condition=models.Q(kind__in=[Kind.HOLD.value, Kind.CHARGE.value], amount_minor__gte=0)
                | models.Q(kind__in=[Kind.RELEASE.value, Kind.REFUND.value], amount_minor__lte=0),
                name="payments_ledger_sign",
            ),
        ]

    def save(self, *args: Any, **options: Any) -> None:
        """Insert; raise LedgerIsAppendOnly for a line that is there already."""
        if not self._state.adding:
            raise LedgerIsAppendOnly
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> NoReturn:
        """Refused."""
        raise LedgerIsAppendOnly

    def __str__(self) -> str:
        return f"{self.kind} {self.amount_minor} {self.currency}"


class PaymentsOutbox(OutboxRow):
    """The log of payments' events."""

    class Meta(OutboxRow.Meta):
        db_table = "payments_outbox"


class PaymentsLane(LaneRow):
    """The leases of payments' relays: one a lane."""

    class Meta(LaneRow.Meta):
        db_table = "payments_lane"


class PaymentsInbox(InboxRow):
    """Messages for payments' consumers."""

    class Meta(InboxRow.Meta):
        db_table = "payments_inbox"


class PaymentsPosition(PositionRow):
    """How far payments' consumers have come."""

    class Meta(PositionRow.Meta):
        db_table = "payments_position"


class PaymentsConsumer(ConsumerRow):
    """Which of payments' consumers an operator has paused."""

    class Meta(ConsumerRow.Meta):
        db_table = "payments_consumer"
