"""Abstract rows of the data floor: an aggregate that changes only with its event, a stored answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, TypeVar

from django.db import models

from fissile.errors import BrokenContractError
from fissile.messages import uuid7

from .clock import Clock

M = TypeVar("M", bound=models.Model)


class UnpublishedChange(BrokenContractError):
    """An aggregate changes only through work.record(row, event)."""

    code = "unpublished_change"


class AggregateQuerySet(models.QuerySet[M]):
    """Reads only: a set-based write would change aggregates without their events (T7)."""

    def _refuse(self, what: str) -> NoReturn:
        raise UnpublishedChange(
            f"{self.model._meta.label}.objects.{what}() changes rows without events. "
            "Load each row in a use case and call work.record(row, event)."
        )

    def update(self, **values: Any) -> int:
        """Refused."""
        self._refuse("update")

    def delete(self) -> Any:
        """Refused."""
        self._refuse("delete")

    def bulk_create(self, *args: Any, **options: Any) -> Any:
        """Refused."""
        self._refuse("bulk_create")

    def bulk_update(self, *args: Any, **options: Any) -> Any:
        """Refused."""
        self._refuse("bulk_update")


class AggregateRow(models.Model):
    """The row of an aggregate root; it owns `version`, the number of its events so far."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.PositiveIntegerField(default=0, editable=False)

    if TYPE_CHECKING:
        # Said in so many words: from as_manager() mypy takes every subclass's rows for AggregateRows.
        objects: ClassVar[models.Manager[Self]]
    else:
        objects = AggregateQuerySet.as_manager()

    class Meta:
        abstract = True

    # Set by the unit of work while it saves; a class default keeps rows light.
    _recording = False

    def save(self, *args: Any, **options: Any) -> None:
        """Refuse unless the unit of work is saving: use work.record(row, event)."""
        if not self._recording:
            raise UnpublishedChange(
                f"{self._meta.label} {self.pk}: save() outside work.record() would change it without an event."
            )
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> NoReturn:
        """Refused: an aggregate ends with an event, its row stays."""
        raise UnpublishedChange(f"{self._meta.label} {self.pk} cannot be deleted; record an event that ends it.")


class JSONText(models.TextField):  # type: ignore[type-arg]
    """A JSON value kept as text, so that it comes back byte for byte: jsonb reorders the names of an object."""

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        """Return the value."""
        return None if value is None else json.loads(value)

    def get_prep_value(self, value: Any) -> str | None:
        """Return the text."""
        return None if value is None else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class IdempotencyRow(models.Model):
    """The stored answer of a request with an Idempotency-Key (IETF httpapi draft).

    Written in the same transaction as the effect. `fingerprint` is the SHA-256 of
    the canonical body; a second request with the key must have the same one.
    """

    tenant = models.CharField(max_length=64)
    principal = models.CharField(max_length=64)
    method = models.CharField(max_length=8)
    route = models.CharField(max_length=128)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField()
    body = JSONText()
    created_at = models.DateTimeField(db_default=Clock())

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "principal", "method", "route", "key"], name="%(class)s_scope"
            )
        ]
        indexes = [models.Index(fields=["created_at"], name="%(class)s_age")]

    def __str__(self) -> str:
        return f"{self.method} {self.route} {self.key}"
