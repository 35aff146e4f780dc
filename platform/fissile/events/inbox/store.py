"""The SQL of the inbox, for PostgreSQL and SQLite: one method an effect (MESSAGING, "SQL").

May touch: inbox and position rows of one consumer, on its context's alias. Time is
the database's. On SQLite each transaction is BEGIN IMMEDIATE, so row locks vanish.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, cast
from uuid import UUID

from django.apps import apps
from django.db import connections
from django.db.models import F, QuerySet

from fissile.crash_points import reached
from fissile.data.clock import Clock
from fissile.data.guard import writing
from fissile.events.models import ConsumerRow, InboxRow, PositionRow
from fissile.events.queries import run, run_all, uuid_of, written

from .heads import Head, Row
from .received import Message
from .sorting import Sorted, sort_out
from .statements import insertion, statements_for

# The mark's lease. A run holds its position's lock, which is what keeps others off;
# the lease only spans the gap between the mark's commit and that lock. A process that
# is stopped for longer loses one attempt; a killed one's message waits this long.
MARK_SECONDS = 10
# Aggregates of one sweep; when there are more, the next sweep follows at once.
SWEEP_LIMIT = 100
# Suspects of one sweep, beside the others: they stay due while one of them is run, and must hide nobody.
SUSPECTS_LIMIT = 10
# Rows above a position that one batch looks at; its own messages are no more than this.
WINDOW = 128
# Room for a sentence and where it came from; the rest stands in the log.
LONGEST_REASON = 500

State = InboxRow.State


def inbox_of(context: str) -> type[InboxRow]:
    """Return `<Context>Inbox`; raise LookupError if the context has none."""
    return cast("type[InboxRow]", apps.get_app_config(context).get_model(f"{context}inbox"))


def position_of(context: str) -> type[PositionRow]:
    """Return `<Context>Position`; raise LookupError if the context has none."""
    return cast("type[PositionRow]", apps.get_app_config(context).get_model(f"{context}position"))


def consumer_of(context: str) -> type[ConsumerRow]:
    """Return `<Context>Consumer`; raise LookupError if the context has none."""
    return cast("type[ConsumerRow]", apps.get_app_config(context).get_model(f"{context}consumer"))


class Due(NamedTuple):
    """What a look has found. `is_full`: there may be more of them that are no suspects."""

    aggregates: tuple[str, ...]
    is_full: bool


class InboxStore:
    """Rows of one consumer. Every method but these runs inside the caller's transaction: ensure, look, register."""

    def __init__(self, context: str, consumer: str) -> None:
        self.alias = context
        self.consumer = consumer
        self._inbox = inbox_of(context)
        self._position = position_of(context)
        # Here, so that a context without it fails at the start and not in the loop.
        self._consumers = consumer_of(context)
        self._sql = statements_for(context, self._inbox, self._position)

    @property
    def rows(self) -> QuerySet[InboxRow]:
        """The consumer's inbox rows."""
        return self._inbox._default_manager.using(self.alias).filter(consumer=self.consumer)

    @property
    def positions(self) -> QuerySet[PositionRow]:
        """The consumer's positions."""
        return self._position._default_manager.using(self.alias).filter(consumer=self.consumer)

    def register(self) -> None:
        """Make the consumer's own row, if it is missing: so an operator sees it and can pause it."""
        rows = self._consumers._default_manager.using(self.alias)
        if not rows.filter(name=self.consumer).exists():
            with writing(self.alias):
                rows.bulk_create([self._consumers(name=self.consumer)], ignore_conflicts=True)

    def is_paused(self) -> bool:
        """Return whether an operator has paused the consumer."""
        rows = self._consumers._default_manager.using(self.alias)
        return rows.filter(name=self.consumer, paused=True).exists()

    def ensure(self, aggregates: Sequence[str]) -> None:
        """Make the positions that are missing, at 0, in a short transaction of their own."""
        sql, given = self._sql.ensure, [self.consumer, self._sql.list_of(aggregates)]
        if not self._sql.is_sqlite:
            given += [not connections[self.alias].in_atomic_block, self.consumer]
        with writing(self.alias):
            run(self.alias, sql, *given)

    def lock(self, aggregates: Sequence[str], *, wait: bool) -> dict[str, Head]:
        """Lock positions in sorted order and return their heads; those of others are left out unless `wait`."""
        names = self._sql.list_of(aggregates)
        # Two statements on their way at once, the second of which sees what the lock waited for.
        lock = self._sql.lock if wait else self._sql.lock_free
        above = (self._sql.above, [self.consumer, names, WINDOW])
        locked, rows = run_all(self.alias, (lock, [self.consumer, names]), above)
        applied: dict[str, int] = dict(locked)
        waiting: dict[str, dict[int, Row]] = {name: {} for name in applied}
        for row in map(_row_of, rows):
            if row.message.aggregate in waiting:
                waiting[row.message.aggregate][row.message.version] = row
        return {name: Head(version, waiting[name]) for name, version in applied.items()}

    def look(self, aggregates: Sequence[str] | None) -> Due:
        """Return which have something due, longest due first: of these, or of all, then with a limit.

        That is SWEEP_LIMIT, and SUSPECTS_LIMIT more.
        """
        if aggregates is not None:
            among = run(self.alias, self._sql.look_among, self.consumer, self._sql.list_of(aggregates))
            return Due(tuple(name for (name,) in among), False)
        found = run(self.alias, self._sql.look_at_all, self.consumer, SWEEP_LIMIT, SUSPECTS_LIMIT)
        others = sum(not is_suspect for _, is_suspect in found)
        return Due(tuple(name for name, _ in found), others >= SWEEP_LIMIT)

    def store(self, messages: Sequence[Message]) -> Sorted:
        """Insert what is new as waiting (quarantined: parked). No position lock: a hung handler delays no receipt."""
        return self._write([], messages)

    def apply(self, applied: Sequence[tuple[Message, str]], waiting: Sequence[Message]) -> Sorted:
        """Write the outcomes (message, reason) and the waiting rows in one statement, advance, wake successors."""
        if not applied:
            return self.store(waiting)
        found = self._write(applied, waiting)
        heads: dict[str, Message] = {}
        for message, _ in applied:
            if message.aggregate not in heads or heads[message.aggregate].version < message.version:
                heads[message.aggregate] = message
        self._advance([heads[name] for name in sorted(heads)])
        return found

    def _write(self, applied: Sequence[tuple[Message, str]], waiting: Sequence[Message]) -> Sorted:
        outcomes = [message for message, _ in applied]
        found = self._sort_out(waiting, outcomes)
        rows = [*found.fresh, *found.forks]
        left_out = len(applied) + len(rows) - self._insert(applied, rows)
        if not left_out:
            return found
        # Rows of another process were on their way to these places, and are there now that the insertion has waited
        # for them: the same messages, or another history, which would be lost if nobody looked again.
        late = self._sort_out(found.fresh, outcomes).forks
        self._insert([], late)
        return Sorted(found.fresh, found.duplicates + left_out - len(late), (*found.forks, *late))

    def _sort_out(self, messages: Sequence[Message], applied: Sequence[Message]) -> Sorted:
        if not messages:
            return Sorted((), 0, ())
        names = self._sql.list_of({message.aggregate for message in messages})
        ids = self._sql.list_of({message.id for message in messages})
        versions = self._sql.list_of({message.version for message in messages})
        places: dict[tuple[str, int], UUID] = {}
        for name, version, message_id in run(self.alias, self._sql.known, self.consumer, ids, names, versions):
            places[name, version] = uuid_of(message_id)
        positions = {}
        for name, version, last in run(self.alias, self._sql.positions, self.consumer, names):
            positions[name] = version
            if last is not None:
                places.setdefault((name, version), uuid_of(last))
        places |= {(message.aggregate, message.version): message.id for message in applied}
        return sort_out(messages, places, positions)

    def _insert(self, applied: Sequence[tuple[Message, str]], others: Sequence[Message]) -> int:
        """Insert rows, and return how many were written; a place that is taken leaves a row out, or is an error."""
        reasons = dict(applied)
        rows = [_new_row(message, reasons) for message in sorted([*reasons, *others])]
        if not rows:
            return 0
        sql, values = insertion(self._sql, self.consumer, rows)
        conflict = self._sql.conflict_of_outcomes if applied else "DO NOTHING"
        count = written(self.alias, f"{sql} ON CONFLICT {conflict}", *values)
        reached("consumer.inbox_inserted")
        return count

    def _advance(self, heads: Sequence[Message]) -> None:
        if not self._sql.is_sqlite:
            (sql,) = self._sql.advance
            names, versions = [one.aggregate for one in heads], [one.version for one in heads]
            run(self.alias, sql, names, versions, [one.id for one in heads], self.consumer, self.consumer)
            return
        move, wake = self._sql.advance
        for head in heads:
            run(self.alias, move, head.version, head.id.hex, self.consumer, head.aggregate)
            run(self.alias, wake, self.consumer, head.aggregate, head.version + 1)

    def mark(self, row: Row, *, seconds: float) -> None:
        """Count an attempt and take the lease for so long."""
        self._own(row).update(attempts=row.attempts + 1, marked_until=Clock() + timedelta(seconds=seconds))

    def retry(self, row: Row, *, refund: bool, reason: str, delay_seconds: float) -> None:
        """Make the row due again after `delay_seconds`."""
        self._own(row).update(
            attempts=row.attempts - int(refund),
            marked_until=None,
            reason=reason[:LONGEST_REASON],
            due=Clock() + timedelta(seconds=delay_seconds),
        )

    def park(self, row: Row, reason: str) -> None:
        """Make the row a dead letter."""
        self._own(row).update(state=State.PARKED, reason=reason[:LONGEST_REASON], due=None, marked_until=None)

    def sleep(self, aggregate: str) -> int:
        """Take the time from rows above the head; retire rows at or below the position, and return how many."""
        applied = self.positions.values_list("applied_version", flat=True).get(aggregate=aggregate)
        rows = self.rows.filter(aggregate=aggregate, state=State.WAITING)
        rows.filter(version__gt=applied + 1, due__isnull=False).update(due=None)
        # Stored by somebody who read the position before it moved (MESSAGING, hole 9).
        return rows.filter(version__lte=applied).update(
            state=State.APPLIED, applied_at=Clock(), reason="late duplicate", due=None, marked_until=None
        )

    def count_duplicates(self, number: int) -> None:
        """Add to the consumer's count; the last statement before the commit, for all its processes share the row."""
        rows = self._consumers._default_manager.using(self.alias)
        rows.filter(name=self.consumer).update(duplicates=F("duplicates") + number)

    def _own(self, row: Row) -> QuerySet[InboxRow]:
        return self.rows.filter(message_id=row.message.id, state=State.WAITING, attempts=row.attempts)


def _row_of(found: tuple[Any, ...]) -> Row:
    message_id, aggregate, version, type_, payload, headers, state, attempts, is_due, is_marked = found
    return Row(
        message=Message(
            aggregate=aggregate, version=version, id=uuid_of(message_id), type=type_,
            payload=json.loads(payload), headers=json.loads(headers),
        ),
        state="parked" if state == State.PARKED else "waiting",
        attempts=attempts,
        is_due=bool(is_due),
        is_marked=bool(is_marked),
    )  # fmt: skip


def _new_row(message: Message, reasons: Mapping[Message, str]) -> dict[str, Any]:
    state = State.APPLIED if message in reasons else State.PARKED if message.quarantine else State.WAITING
    return {
        "id": message.id,
        "aggregate": message.aggregate,
        "version": message.version,
        "type": message.type,
        "payload": message.payload,
        "headers": message.headers,
        "state": state.value,
        "reason": reasons.get(message, message.quarantine)[:LONGEST_REASON],
    }
