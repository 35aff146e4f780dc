"""The relay's rows: lease, claim and mark, the same statements on PostgreSQL and SQLite.

May touch: one context's lane and outbox rows. SQLite's write transactions are
BEGIN IMMEDIATE, so the row locks below vanish there and the rest reads the same.
Lock order: lane, then outbox rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connections, transaction
from django.db.models import Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet
from django.db.models.fields import DateTimeField

from fissile.data.clock import Clock, database_now
from fissile.events.models import WHOLE_CONTEXT, LaneRow, OutboxRow
from fissile.events.outbox import lane_model_of, outbox_of

from .core import Failure, Settle

# Long enough for a batch and its confirms twice over; as long as a successor
# waits for the events of a relay that was killed.
LEASE_SECONDS = 5.0


class OutboxStore:
    """The outbox of one context as one relay sees it. Every answer that depends on the lease says so."""

    def __init__(self, context: str) -> None:
        self._alias = context
        self._rows = outbox_of(context)
        self._lane_rows = lane_model_of(context)

    def acquire(self, owner: str) -> int | None:
        """Take the lane if its lease has run out; return the new fence, or None.

        The predicate is evaluated again after a wait for the row, so two racers get one winner.
        """
        self._lane_rows._default_manager.using(self._alias).bulk_create(
            [self._lane_rows(lane=WHOLE_CONTEXT)], ignore_conflicts=True
        )
        with transaction.atomic(using=self._alias):
            free = self._lane().filter(paused=False, lease_until__lte=Clock())
            if not free.update(owner=owner, fence=F("fence") + 1, lease_until=_later(LEASE_SECONDS)):
                return None
            return self._lane().values_list("fence", flat=True).get()

    def lease_left(self) -> float:
        """Return the seconds until the present lease runs out, at least 0."""
        until = self._lane().values_list("lease_until", flat=True).first()
        return max(0.0, (until - database_now(self._alias)).total_seconds()) if until else 0.0

    def claim(self, fence: int, limit: int) -> list[OutboxRow] | None:
        """Renew the lease and return the next rows in order of insertion; None if fenced.

        Aggregates with a parked or backing-off event are left out whole; all others
        go on (T10). There is no cursor: a row that commits late is simply next (T8).
        """
        # With DEBUG Django keeps statements, and this process runs for days.
        connections[self._alias].queries_log.clear()
        with transaction.atomic(using=self._alias):
            renewed = self._lane().filter(fence=fence, paused=False).update(lease_until=_later(LEASE_SECONDS))
            if not renewed:
                return None
            troubled = self._pending().filter(
                Q(parked_at__isnull=False) | Q(next_at__gt=Clock()), aggregate=OuterRef("aggregate"), attempts__gt=0
            )
            waiting = self._pending().filter(~Exists(troubled), parked_at__isnull=True)
            return list(waiting.order_by("seq")[:limit])

    def settle(self, verdicts: Settle) -> bool:
        """Write the verdicts if the fence still holds, else nothing; return whether it held.

        The fence is read under a lock, or a take-over could slip between check and write.
        """
        with transaction.atomic(using=self._alias):
            held = self._lane().select_for_update().filter(fence=verdicts.fence)
            if not held.exists():
                return False
            self._pending(verdicts.sent).update(sent_at=Clock(), reason="", next_at=None)
            for failed in sorted(verdicts.failed, key=lambda one: one.id):
                self._note(failed)
            if verdicts.returned:
                self._pending(verdicts.returned).update(reason=verdicts.reason)
        return True

    def _note(self, failed: Failure) -> None:
        self._pending([failed.id]).filter(parked_at__isnull=True).update(
            attempts=F("attempts") + 1,
            reason=failed.reason[:500],
            next_at=_later(failed.retry_seconds),
            parked_at=Clock() if failed.park else None,
        )

    def release(self, fence: int) -> None:
        """Give the lane back, if it is still ours, so that the next relay need not wait."""
        self._lane().filter(fence=fence).update(lease_until=Clock(), owner="")

    def close(self) -> None:
        """Close this thread's connection."""
        connections[self._alias].close()

    def _lane(self) -> QuerySet[LaneRow]:
        return self._lane_rows._default_manager.using(self._alias).filter(lane=WHOLE_CONTEXT)

    def _pending(self, ids: Sequence[str] | None = None) -> QuerySet[OutboxRow]:
        rows = self._rows._default_manager.using(self._alias).filter(sent_at__isnull=True)
        return rows if ids is None else rows.filter(id__in=[UUID(one) for one in ids])


def _later(seconds: float) -> Any:
    return ExpressionWrapper(Clock() + timedelta(seconds=seconds), output_field=DateTimeField())
