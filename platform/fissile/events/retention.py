"""Retention: deletes old events that were sent and old messages that were applied, a thousand rows at a time.

May touch: outbox and inbox rows of one context. What waits or is parked matches no
predicate here, and positions are never deleted: they are the deduplication (T15, T20).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Model, QuerySet

from fissile.data.clock import database_now
from fissile.data.guard import writing

from .inbox.store import inbox_of
from .models import InboxRow
from .outbox import outbox_of

# Few enough that a batch's locks are gone within milliseconds.
BATCH = 1_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """How many rows of a table, from before which moment, were deleted or (`dry_run`) would be."""

    table: str
    before: datetime
    rows: int
    dry_run: bool


def prune_outbox(context: str, older_than: timedelta, *, dry_run: bool = False) -> Pruned:
    """Delete the context's events that were sent longer ago than `older_than`.

    The outbox is the log: who comes late is no longer told of these. One that was
    parked in a relay's hand and arrived all the same is kept, for its story.
    """
    before = _before(context, older_than)
    sent = outbox_of(context)._default_manager.using(context).filter(sent_at__lt=before, parked_at__isnull=True)
    return _prune(sent, before, dry_run=dry_run)


def prune_inbox(context: str, older_than: timedelta, *, consumer: str | None = None, dry_run: bool = False) -> Pruned:
    """Delete messages that were applied longer ago than `older_than`, of one consumer or all."""
    before = _before(context, older_than)
    applied = inbox_of(context)._default_manager.using(context).filter(
        state=InboxRow.State.APPLIED, applied_at__lt=before
    )  # fmt: skip
    if consumer is not None:
        applied = applied.filter(consumer=consumer)
    return _prune(applied, before, dry_run=dry_run)


def _before(context: str, older_than: timedelta) -> datetime:
    # Fixed once: a run that takes an hour deletes what was old when it began.
    return database_now(context) - older_than


def _prune(old: QuerySet[Any], before: datetime, *, dry_run: bool) -> Pruned:
    table = old.model._meta.db_table
    if dry_run:
        return Pruned(table=table, before=before, rows=old.count(), dry_run=True)
    rows, last = 0, 0
    while keys := _delete_batch(old.filter(pk__gt=last)):
        # Upwards by key: no batch reads again what an earlier one has passed over.
        rows, last = rows + len(keys), keys[-1]
    if rows:
        _log.info("%s: %s rows from before %s pruned", table, rows, before.isoformat())
    return Pruned(table=table, before=before, rows=rows, dry_run=False)


def _delete_batch(old: QuerySet[Any]) -> list[int]:
    with _short_transaction(old):
        # Skipped, not waited for: somebody else prunes, or settles, those. SQLite locks no rows.
        locked = old.order_by("pk").select_for_update(skip_locked=True)
        keys = list(locked.values_list("pk", flat=True)[:BATCH])
        if keys:
            # The predicate stands in this statement too.
            old.filter(pk__in=keys).delete()
    return keys


@contextmanager
def _short_transaction(rows: QuerySet[Model]) -> Iterator[None]:
    alias = str(rows.db)
    with writing(alias), transaction.atomic(using=alias):
        yield
