"""The relay's rows: lease, claim and mark, the same statements on PostgreSQL and SQLite.

May touch: one context's lane and outbox rows. SQLite's write transactions are
BEGIN IMMEDIATE, so the row locks below vanish there and the rest reads the same.
What every batch needs is SQL made beforehand (statements.py); what is rare goes through the ORM.
Lock order: lanes by number, then outbox rows.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connections, transaction
from django.db.models import ExpressionWrapper, F, Q, QuerySet
from django.db.models.fields import DateTimeField

from fissile.crash_points import reached
from fissile.data.clock import Clock, moment
from fissile.data.guard import writing
from fissile.events.lanes import ensure_lanes, lane_model_of
from fissile.events.models import LANES, LaneRow, OutboxRow
from fissile.events.outbox import outbox_of
from fissile.events.queries import Rows, run, run_all

from .core import Claim, Failure, Settle
from .sharing import Lane
from .statements import DueRow, due_row, place, statements_for

# Long enough for a batch and its confirms twice over; as long as a successor
# waits for the events of a relay that was killed.
LEASE_SECONDS = 5.0
# How long a lane stays promised to a relay that may be gone: its owner looks at
# least once a batch, and the one that asked once a second.
PROMISE_SECONDS = 5.0
# As often as the sweep: the longest that a row which commits late can be passed over.
PASS_SECONDS = 1.0
# A lease with more left is not renewed by a claim, which then writes nothing. What is left
# of it is as long as writing a batch and waiting for one may take together.
RENEW_BELOW_SECONDS = LEASE_SECONDS * 0.8
# Rows of a lane beyond twice its even share that one claim looks at before it looks at a whole batch of each.
_A_FEW = 8


@dataclass(frozen=True)
class _Pass:
    """Below `seq` all rows of these lanes were sent or held back when the pass began."""

    circumstances: tuple[Any, ...]
    began: float
    seq: int


class _Seen(NamedTuple):
    """All lanes; the database's clock as its driver gives it; of rows in trouble their number, and the sum of seq."""

    lanes: tuple[Lane, ...]
    now: Any
    held_back: tuple[int, Any]


Claimed = tuple[list[DueRow], tuple[Lane, ...]]


class OutboxStore:
    """The outbox of one context as one relay sees it. Every answer that depends on a lease says so."""

    def __init__(self, context: str) -> None:
        self._alias = context
        self._rows = outbox_of(context)
        self._lane_rows = lane_model_of(context)
        self._sql = statements_for(context, self._rows, self._lane_rows)
        self._pass: _Pass | None = None

    def acquire(self, owner: str, lanes: Collection[int]) -> dict[int, int]:
        """Take those of `lanes` that are free and not promised to another; return each with its new fence.

        The predicate is evaluated again after a wait for a row, so two racers get one winner.
        """
        open_to_us = Q(wanted_by__in=("", owner)) | Q(wanted_until__isnull=True) | Q(wanted_until__lte=Clock())
        free = self._lanes(lanes).filter(open_to_us, paused=False, lease_until__lte=Clock())
        with writing(self._alias), transaction.atomic(using=self._alias):
            taken = dict(free.select_for_update().order_by("lane").values_list("lane", "fence"))
            self._lanes(taken).update(
                owner=owner, fence=F("fence") + 1, lease_until=_later(LEASE_SECONDS), wanted_by="", wanted_until=None
            )
        return {lane: fence + 1 for lane, fence in taken.items()}

    def ask(self, owner: str, lanes: Collection[int]) -> None:
        """Have `lanes` promised to `owner`, except those that are promised already."""
        unpromised = self._lanes(lanes).filter(Q(wanted_until__isnull=True) | Q(wanted_until__lte=Clock()))
        with writing(self._alias), transaction.atomic(using=self._alias):
            asked = list(unpromised.select_for_update().order_by("lane").values_list("lane", flat=True))
            self._lanes(asked).update(wanted_by=owner, wanted_until=_later(PROMISE_SECONDS))

    def claim(self, asked: Claim) -> Claimed:
        """Renew what is still held; return its next rows in order of insertion, and how all lanes stand.

        What is parked or backs off holds its own aggregate's later events back, and
        nothing else (T10). Two statements without a transaction, which would make
        nothing safer: whoever takes a lane between them, or after, has its mark refused.
        """
        return self._claimed(asked, *self._look(asked))

    def _claimed(self, asked: Claim, seen: _Seen, rows: list[DueRow]) -> Claimed:
        # With DEBUG Django keeps statements, and this process runs for days.
        connections[self._alias].queries_log.clear()
        if len(seen.lanes) < LANES:
            ensure_lanes(self._alias)
            seen, rows = self._look(asked)
        if any(lane.left_seconds <= RENEW_BELOW_SECONDS for lane in _ours(asked.fences, seen.lanes)):
            self._renew(asked.fences)
            seen, rows = self._look(asked)
        ours = {lane.number: lane.fence for lane in _ours(asked.fences, seen.lanes)}
        wanted = replace(asked, fences=ours)
        return self._next_rows(wanted, seen, rows if len(ours) == len(asked.fences) else None), seen.lanes

    def _renew(self, fences: Mapping[int, int]) -> None:
        with writing(self._alias), transaction.atomic(using=self._alias):
            ours = self._still_held(fences, and_running=True)
            run(self._alias, self._sql.renew, LEASE_SECONDS, self._sql.list_of(ours))

    def _still_held(self, fences: Mapping[int, int], *, and_running: bool = False) -> list[int]:
        # Locked, or a take-over could slip between check and write.
        locked = run(self._alias, self._sql.hold, self._sql.list_of(fences)) if fences else []
        return [lane for lane, fence, paused in locked if fence == fences[lane] and not (and_running and paused)]

    def _look(self, asked: Claim) -> tuple[_Seen, list[DueRow]]:
        return _seen(*run_all(self._alias, *self._looks(asked)))

    def _looks(self, asked: Claim) -> tuple[tuple[str, list[Any]], ...]:
        """Return the queries for how lanes stand, and for what comes next if nothing there is lost or in trouble."""
        lanes, few = self._sql.list_of(asked.fences), _few(asked)
        return (self._sql.lanes, [lanes]), (self._sql.next_rows, [lanes, self._in_flight(asked), few, asked.limit])

    def _in_flight(self, asked: Claim) -> Any:
        return self._sql.list_of(one.row.seq for one in asked.in_flight)

    def _next_rows(self, asked: Claim, seen: _Seen, rows: list[DueRow] | None) -> list[DueRow]:
        """Return the next rows of lanes that are held; `rows`: what comes first in them if nothing is in trouble."""
        if not asked.fences:
            return []
        # Without trouble there is no cursor: a row that commits late is simply next (T8).
        # With it, what waits behind is not read again by each claim.
        has_trouble = seen.held_back[0] > 0
        begins = self._begin_pass((dict(asked.fences), seen.held_back)) if has_trouble else _Pass((), 0.0, 0)
        text = self._sql.next_untroubled if has_trouble else self._sql.next_rows
        also = (begins.seq, seen.now) if has_trouble else ()
        few = _few(asked)
        if rows is None or has_trouble:
            rows = self._first_of(text, asked, also, few)
        # A lane from which all that was asked for came may have more: nothing beyond that is sure to be next.
        by_lane = Counter(row.lane for row in rows)
        if few < asked.limit and max(by_lane.values(), default=0) >= few:
            rows = self._first_of(text, asked, also, asked.limit)
        # What is in flight may yet come to nothing: then the pass begins with it.
        first = min((row.seq for row in (*rows, *(one.row for one in asked.in_flight))), default=begins.seq)
        self._pass = _Pass(begins.circumstances, begins.began, first)
        return rows

    def _first_of(self, text: str, asked: Claim, also: tuple[Any, ...], few: int) -> list[DueRow]:
        lanes = self._sql.list_of(asked.fences)
        return [due_row(one) for one in run(self._alias, text, lanes, self._in_flight(asked), *also, few, asked.limit)]

    def _begin_pass(self, circumstances: tuple[Any, ...]) -> _Pass:
        """Go on from the first row of the last claim, or from the start: once a second, and when anything changed."""
        now, last = time.monotonic(), self._pass
        if last is None or last.circumstances != circumstances or now - last.began > PASS_SECONDS:
            return _Pass(circumstances, now, 0)
        return last

    def settle(self, verdicts: Settle) -> tuple[frozenset[int], Claimed | None]:
        """Write the verdicts of lanes whose fence still holds; return the other lanes, and what came of `then`.

        The next rows are read in the same message, after the marks. If the commit fails,
        so does this, and they are never published.
        """
        fences, then = verdicts.fences, verdicts.then
        places = self._sql.list_of(place(lane, fence) for lane, fence in fences.items())
        marks = [
            *((text, ()) for text in self._sql.before_mark),
            (self._sql.hold, [self._sql.list_of(fences)]),
            (self._sql.mark, [self._sql.list_of(verdicts.sent), places]),
        ]
        # What is in trouble now is told by the writes to come.
        looks = self._looks(then) if then and not verdicts.failed else ()
        with writing(self._alias), transaction.atomic(using=self._alias):
            found = run_all(self._alias, *marks, *looks)
            held = [lane for lane, fence, _ in found[len(marks) - 2] if fence == fences[lane]]
            for failed in sorted(verdicts.failed, key=lambda one: one.id):
                self._note(failed, held)
            if verdicts.returned:
                self._pending(verdicts.returned, held).update(reason=verdicts.reason)
            reached("relay.marked_uncommitted")
        lost = frozenset(fences) - frozenset(held)
        if then is None:
            return lost, None
        return lost, self._claimed(then, *_seen(*found[len(marks) :])) if looks else self.claim(then)

    def _note(self, failed: Failure, lanes: Collection[int]) -> None:
        self._pending([failed.id], lanes).filter(parked_at__isnull=True).update(
            attempts=F("attempts") + 1,
            reason=failed.reason[:500],
            next_at=_later(failed.retry_seconds),
            parked_at=Clock() if failed.park else None,
        )

    def release(self, fences: Mapping[int, int]) -> None:
        """Give lanes back, if they are still ours, so that the next relay need not wait."""
        with writing(self._alias), transaction.atomic(using=self._alias):
            self._lanes(self._still_held(fences)).update(lease_until=Clock(), owner="")

    def close(self) -> None:
        """Close this thread's connection."""
        connections[self._alias].close()

    def _lanes(self, lanes: Collection[int]) -> QuerySet[LaneRow]:
        return self._lane_rows._default_manager.using(self._alias).filter(lane__in=list(lanes))

    def _pending(self, ids: Sequence[str], lanes: Collection[int]) -> QuerySet[OutboxRow]:
        rows = self._rows._default_manager.using(self._alias).filter(sent_at__isnull=True)
        return rows.filter(id__in=[UUID(one) for one in ids], lane__in=list(lanes))


def _seen(lanes: Rows, rows: Rows) -> tuple[_Seen, list[DueRow]]:
    if not lanes:
        return _Seen((), None, (0, 0)), []
    now = moment(lanes[0][7])
    seen = tuple(
        Lane(
            number=number,
            owner=owner,
            fence=fence,
            left_seconds=(moment(lease_until) - now).total_seconds(),
            paused=bool(paused),
            wanted_by=wanted_by if wanted_until and moment(wanted_until) > now else "",
        )
        for number, owner, fence, lease_until, paused, wanted_by, wanted_until, *_ in lanes
    )
    return _Seen(seen, lanes[0][7], lanes[0][8:]), [due_row(one) for one in rows]


def _few(asked: Claim) -> int:
    """Return how many rows of each lane a claim looks at first."""
    return min(asked.limit, 2 * asked.limit // max(1, len(asked.fences)) + _A_FEW)


def _ours(fences: Mapping[int, int], lanes: Iterable[Lane]) -> list[Lane]:
    return [lane for lane in lanes if fences.get(lane.number) == lane.fence and not lane.paused]


def _later(seconds: float) -> Any:
    return ExpressionWrapper(Clock() + timedelta(seconds=seconds), output_field=DateTimeField())
