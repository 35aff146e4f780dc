"""Tables of users, on its own database. No rules."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from fissile.data.models import AggregateRow
from fissile.events.models import ConsumerRow, InboxRow, LaneRow, OutboxRow, PositionRow

from .domain import LARGEST_CREDIT_LIMIT_MINOR, LONGEST_EMAIL, LONGEST_NAME


class User(AggregateRow):
    """A customer; changes through work.record() only, and a trigger stands behind that.

    `email` is stored folded and is the natural key of a sign-up.
    """

    email = models.CharField(max_length=LONGEST_EMAIL, unique=True)
    name = models.CharField(max_length=LONGEST_NAME)
    credit_limit_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "users_user"
        ordering: ClassVar[list[Any]] = ["-created_at", "id"]
        verbose_name = "customer"
        constraints: ClassVar[list[Any]] = [
            models.CheckConstraint(
                condition=Q(credit_limit_minor__gte=0, credit_limit_minor__lte=LARGEST_CREDIT_LIMIT_MINOR),
                name="users_user_credit_limit",
            )
        ]

    def __str__(self) -> str:
        return f"customer {self.id}"


class Credential(models.Model):
    """A customer's password, hashed. Beside the aggregate: a new hash is nobody else's business."""

    user = models.OneToOneField(User, on_delete=models.PROTECT, primary_key=True, related_name="credential")
    password_hash = models.CharField(max_length=255)

    class Meta:
        db_table = "users_credential"

    def __str__(self) -> str:
        return f"credential of {self.user_id}"


class RefreshFamily(models.Model):
    """One login on one device: the chain of refresh tokens that began with it."""

    id = models.UUIDField(primary_key=True)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="refresh_families")
    began_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=40, default="", blank=True)

    class Meta:
        db_table = "users_refresh_family"
        verbose_name_plural = "refresh families"

    def __str__(self) -> str:
        return f"refresh family {self.id}"


class RefreshToken(models.Model):
    """One link of a chain. Only the token's SHA-256 is kept; used once, it stays to betray a second use."""

    digest = models.CharField(max_length=64, primary_key=True)
    family = models.ForeignKey(RefreshFamily, on_delete=models.PROTECT, related_name="tokens")
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "users_refresh_token"

    def __str__(self) -> str:
        return f"refresh token of {self.family_id}"


class UsersOutbox(OutboxRow):
    """The log of users' events."""

    class Meta(OutboxRow.Meta):
        db_table = "users_outbox"
        verbose_name_plural = "users outbox"


class UsersLane(LaneRow):
    """The leases of users' relays: one a lane."""

    class Meta(LaneRow.Meta):
        db_table = "users_lane"


class UsersInbox(InboxRow):
    """Messages for users' consumers; there are none yet."""

    class Meta(InboxRow.Meta):
        db_table = "users_inbox"
        verbose_name_plural = "users inbox"


class UsersPosition(PositionRow):
    """How far users' consumers have come."""

    class Meta(PositionRow.Meta):
        db_table = "users_position"


class UsersConsumer(ConsumerRow):
    """Which of users' consumers an operator has paused."""

    class Meta(ConsumerRow.Meta):
        db_table = "users_consumer"
