"""Abstract rows of the events floor: the outbox with its lanes, the inbox with its positions and consumers.

Each context declares concrete ones on its own alias. Time is the database's clock.
"""

from __future__ import annotations

from typing import Any, ClassVar
from zlib import crc32

from django.db import models
from django.db.models import Q

from fissile.data.clock import Clock
from fissile.messages import uuid7

# As many relays as can share one context's outbox. Stored with each row: another
# number would need every unsent row's lane computed anew.
LANES = 16


def lane_of(aggregate: str) -> int:
    """Return the lane of an aggregate: the same on every machine and in every version."""
    return crc32(aggregate.encode()) % LANES


class OutboxRow(models.Model):
    """One event of this context, for ever: inserted with the change, marked once it is confirmed.

    `attempts`, `next_at`, `parked_at` and `reason` describe trouble and are set on
    unsent rows only. `headers` holds correlationid, causationid, traceparent,
    tracestate and tenant.
    """

    seq = models.BigAutoField(primary_key=True)
    id = models.UUIDField(default=uuid7, unique=True, editable=False)
    aggregate = models.TextField()
    version = models.PositiveIntegerField()
    lane = models.PositiveSmallIntegerField()
    type = models.TextField()
    payload = models.JSONField()
    headers = models.JSONField()
    recorded_at = models.DateTimeField(db_default=Clock())
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(null=True, blank=True)
    parked_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(default="", blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["aggregate", "version"], name="%(class)s_stream")
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["lane", "seq"], condition=Q(sent_at__isnull=True), name="%(class)s_pending"),
            models.Index(
                fields=["aggregate", "version"],
                condition=Q(sent_at__isnull=True, attempts__gt=0),
                name="%(class)s_trouble",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.aggregate}@{self.version}"


class LaneRow(models.Model):
    """The lease of one lane. `fence` only grows, also when the same owner comes back.

    Until `wanted_until` the lane is promised to the relay `wanted_by`: its owner
    gives it back, and nobody else takes it. `reason` tells why it is paused.
    """

    lane = models.PositiveSmallIntegerField(primary_key=True)
    owner = models.TextField(default="", blank=True)
    fence = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(db_default=Clock())
    wanted_by = models.TextField(db_default="", blank=True)
    wanted_until = models.DateTimeField(null=True, blank=True)
    paused = models.BooleanField(default=False)
    reason = models.TextField(db_default="", blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"lane {self.lane}: {self.owner or 'free'}"


class InboxRow(models.Model):
    """One message as one consumer knows it: waiting for its turn, applied, or parked.

    `attempts` counts committed started-marks, never deliveries. `due` null means
    asleep until the predecessor is applied; `marked_until` is the mark's lease.
    """

    class State(models.TextChoices):
        """`parked` is the dead letter; what happened stands in `reason`."""

        WAITING = "waiting"
        APPLIED = "applied"
        PARKED = "parked"

    id = models.BigAutoField(primary_key=True)
    consumer = models.TextField()
    message_id = models.UUIDField()
    aggregate = models.TextField()
    version = models.PositiveIntegerField()
    type = models.TextField()
    payload = models.JSONField()
    headers = models.JSONField()
    received_at = models.DateTimeField(db_default=Clock())
    applied_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    reason = models.TextField(default="", blank=True)
    attempts = models.PositiveIntegerField(default=0)
    due = models.DateTimeField(null=True, blank=True)
    marked_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["consumer", "message_id"], name="%(class)s_message"),
            # A second id for one version is a forked history: alarmed, never applied.
            models.UniqueConstraint(fields=["consumer", "aggregate", "version"], name="%(class)s_stream"),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(
                fields=["consumer", "due"],
                condition=Q(state="waiting", due__isnull=False),
                name="%(class)s_due",
            ),
            models.Index(fields=["consumer"], condition=Q(state="parked"), name="%(class)s_parked"),
            models.Index(fields=["applied_at"], condition=Q(state="applied"), name="%(class)s_applied"),
        ]

    def __str__(self) -> str:
        return f"{self.consumer}: {self.type} {self.aggregate}@{self.version} {self.state}"


class PositionRow(models.Model):
    """How far one consumer has applied one aggregate's stream; never pruned: it is the deduplication."""

    id = models.BigAutoField(primary_key=True)
    consumer = models.TextField()
    aggregate = models.TextField()
    applied_version = models.PositiveIntegerField(default=0)
    last_id = models.UUIDField(null=True, blank=True)

    class Meta:
        abstract = True
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["consumer", "aggregate"], name="%(class)s_stream")
        ]

    def __str__(self) -> str:
        return f"{self.consumer}: {self.aggregate}@{self.applied_version}"


class ConsumerRow(models.Model):
    """One consumer as an operator steers it. A paused one goes on storing messages and applies none.

    `since`, `by` and `reason` tell of the last time that it was paused or resumed.
    `duplicates` counts the messages that it received and that told nothing new.
    """

    name = models.TextField(primary_key=True)
    paused = models.BooleanField(default=False)
    since = models.DateTimeField(null=True, blank=True)
    by = models.TextField(default="", blank=True)
    reason = models.TextField(default="", blank=True)
    # By the database: processes of the version before insert rows without it.
    duplicates = models.BigIntegerField(db_default=0)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.name}: {'paused' if self.paused else 'running'}"
