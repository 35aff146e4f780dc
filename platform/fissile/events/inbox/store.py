"""The SQL of the inbox, for PostgreSQL and SQLite: one method an effect (MESSAGING, "SQL").

May touch: inbox and position rows of one consumer, on its context's alias. Time is
the database's. On SQLite each transaction is BEGIN IMMEDIATE, so row locks vanish.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from django.apps import apps
from django.db import connections
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet

from fissile.data.clock import SQLITE_NOW, Clock
from fissile.events.models import InboxRow, PositionRow

from .core import Head, Row
from .received import Message

# The mark's lease. A run holds its position's lock, which is what keeps others off;
# the lease only spans the gap between the mark's commit and that lock. A process that
# is stopped for longer loses one attempt; a killed one's message waits this long.
MARK_SECONDS = 10
# Aggregates of one sweep; when there are more, the next sweep follows at once.
SWEEP_LIMIT = 100
# Rows above a position that one batch looks at; its own messages are no more than this.
WINDOW = 64
# Room for a sentence and where it came from; the rest stands in the log.
LONGEST_REASON = 500

State = InboxRow.State


@dataclass(frozen=True)
class Sorted:
    """What a batch turned out to hold: rows to write, and how many told nothing new."""

    fresh: tuple[Message, ...]
    duplicates: int
    forks: tuple[Message, ...]


def inbox_of(context: str) -> type[InboxRow]:
    """Return `<Context>Inbox`; raise LookupError if the context has none."""
    return cast("type[InboxRow]", apps.get_app_config(context).get_model(f"{context}inbox"))


def position_of(context: str) -> type[PositionRow]:
    """Return `<Context>Position`; raise LookupError if the context has none."""
    return cast("type[PositionRow]", apps.get_app_config(context).get_model(f"{context}position"))


def message_of(row: InboxRow) -> Message:
    """Return the message that a row holds."""
    return Message(
        aggregate=row.aggregate,
        version=row.version,
        id=row.message_id,
        type=row.type,
        payload=row.payload,
        headers=row.headers,
    )


class InboxStore:
    """Rows of one consumer. Every method but `ensure` and `look` runs inside the caller's transaction."""

    def __init__(self, context: str, consumer: str) -> None:
        self.alias = context
        self.consumer = consumer
        self._inbox = inbox_of(context)
        self._position = position_of(context)
        self._vendor = connections[context].vendor
        # Written into raw SQL that has parameters, hence the doubled percent signs.
        self._now = "CLOCK_TIMESTAMP()" if self._vendor == "postgresql" else SQLITE_NOW.replace("%", "%%")

    @property
    def rows(self) -> QuerySet[InboxRow]:
        """The consumer's inbox rows."""
        return self._inbox._default_manager.using(self.alias).filter(consumer=self.consumer)

    @property
    def positions(self) -> QuerySet[PositionRow]:
        """The consumer's positions."""
        return self._position._default_manager.using(self.alias).filter(consumer=self.consumer)

    def ensure(self, aggregates: Sequence[str]) -> None:
        """Make the positions that are missing, at 0, in a short transaction of their own."""
        known = set(self.positions.filter(aggregate__in=aggregates).values_list("aggregate", flat=True))
        missing = sorted(set(aggregates) - known)
        if missing:
            self._position._default_manager.using(self.alias).bulk_create(
                [self._position(consumer=self.consumer, aggregate=name) for name in missing], ignore_conflicts=True
            )

    def lock(self, aggregates: Sequence[str], *, wait: bool) -> dict[str, Head]:
        """Lock positions in sorted order and return their heads; those of others are left out unless `wait`."""
        locked = self.positions.filter(aggregate__in=aggregates).order_by("aggregate")
        found = locked.select_for_update(skip_locked=not wait).values_list("aggregate", "applied_version")
        applied: dict[str, int] = dict(found)
        # A new statement: it must see what the lock waited for.
        above: dict[str, dict[int, Row]] = {name: {} for name in applied}
        for row in self._rows_above(applied):
            above[row.aggregate][row.version] = Row(
                message=message_of(row),
                state="parked" if row.state == State.PARKED else "waiting",
                attempts=row.attempts,
                is_due=bool(row.is_due),  # type: ignore[attr-defined]  # annotated
            )
        return {name: Head(version, above[name]) for name, version in applied.items()}

    def _rows_above(self, applied: dict[str, int]) -> Iterable[InboxRow]:
        if not applied:
            return []
        window = Q()
        for name, version in applied.items():
            window |= Q(aggregate=name, version__gt=version, version__lte=version + WINDOW)
        free = Q(marked_until__isnull=True) | Q(marked_until__lte=Clock())
        is_due = ExpressionWrapper(Q(due__lte=Clock()) & free, output_field=BooleanField())
        return self.rows.filter(window).exclude(state=State.APPLIED).annotate(is_due=is_due)

    def look(self, aggregates: Sequence[str] | None) -> tuple[str, ...]:
        """Return aggregates with something due, longest due first, at most SWEEP_LIMIT."""
        among, given = "", []
        if aggregates is not None:
            if not aggregates:
                return ()
            among, given = f"AND aggregate IN ({_places(aggregates)})", list(aggregates)
        # The state is a literal: SQLite uses a partial index only if it can see the predicate.
        query = f"""
            SELECT aggregate FROM {self._table(self._inbox)}
             WHERE consumer = %s AND state = 'waiting' AND due <= {self._now} {among}
               AND (marked_until IS NULL OR marked_until <= {self._now})
             GROUP BY aggregate ORDER BY MIN(due) LIMIT {SWEEP_LIMIT}"""
        with connections[self.alias].cursor() as cursor:
            cursor.execute(query, [self.consumer, *given])
            return tuple(name for (name,) in cursor.fetchall())

    def store(self, messages: Sequence[Message]) -> Sorted:
        """Insert what is new as waiting (quarantined: parked). No position lock: a hung handler delays no receipt."""
        found = self._sort_out(messages, ())
        self._insert([], [*found.fresh, *found.forks])
        return found

    def apply(self, applied: Sequence[tuple[Message, str]], waiting: Sequence[Message]) -> Sorted:
        """Write the outcomes (message, reason) and the waiting rows in one statement, advance, wake successors."""
        found = self._sort_out(waiting, [message for message, _ in applied])
        self._insert(applied, [*found.fresh, *found.forks])
        heads: dict[str, Message] = {}
        for message, _ in applied:
            if message.aggregate not in heads or heads[message.aggregate].version < message.version:
                heads[message.aggregate] = message
        self._advance(heads)
        return found

    def _sort_out(self, messages: Sequence[Message], applied: Sequence[Message]) -> Sorted:
        if not messages:
            return Sorted((), 0, ())
        names = {message.aggregate for message in messages}
        ids, versions = {message.id for message in messages}, {message.version for message in messages}
        places: dict[tuple[str, int], UUID] = {}
        known = self.rows.filter(Q(message_id__in=ids) | Q(aggregate__in=names, version__in=versions))
        for name, version, message_id in known.values_list("aggregate", "version", "message_id"):
            places[name, version] = message_id
        positions = {}
        for name, version, last in self.positions.filter(aggregate__in=names).values_list(
            "aggregate", "applied_version", "last_id"
        ):
            positions[name] = version
            if last is not None:
                places.setdefault((name, version), last)
        places |= {(message.aggregate, message.version): message.id for message in applied}
        return _sorted(messages, places, positions)

    def _insert(self, applied: Sequence[tuple[Message, str]], others: Sequence[Message]) -> None:
        reasons = dict(applied)
        everything = sorted([*reasons, *others])
        if not everything:
            return
        # applied_at and due
        clocks = {State.APPLIED: f"{self._now}, NULL", State.WAITING: f"NULL, {self._now}", State.PARKED: "NULL, NULL"}
        rows, values = [], []
        for message in everything:
            state = State.APPLIED if message in reasons else State.PARKED if message.quarantine else State.WAITING
            rows.append(f"(%s, %s, %s, %s, %s, %s, %s, %s, %s, 0, {clocks[state]})")
            values += self._values(message, state, reasons.get(message, message.quarantine))
        table = self._table(self._inbox)
        # Receipt may meet any known row and leaves it alone. An outcome may only meet
        # its own waiting row; a stranger in its place is an error, and the batch is stored.
        conflict = f"""(consumer, message_id) DO UPDATE SET state = 'applied', reason = excluded.reason,
            applied_at = excluded.applied_at, due = NULL, marked_until = NULL
            WHERE excluded.state = 'applied' AND {table}.state = 'waiting'"""
        query = f"""
            INSERT INTO {table} (consumer, message_id, aggregate, version, type, payload, headers, state, reason,
                                 attempts, applied_at, due)
            VALUES {", ".join(rows)} ON CONFLICT {conflict if applied else "DO NOTHING"}"""
        with connections[self.alias].cursor() as cursor:
            cursor.execute(query, values)

    def _values(self, message: Message, state: State, reason: str) -> list[Any]:
        connection = connections[self.alias]
        given = {
            "consumer": self.consumer,
            "message_id": message.id,
            "aggregate": message.aggregate,
            "version": message.version,
            "type": message.type,
            "payload": message.payload,
            "headers": message.headers,
            "state": state.value,
            "reason": reason[:LONGEST_REASON],
        }
        fields = {field.name: field for field in self._inbox._meta.concrete_fields}
        return [fields[name].get_db_prep_save(value, connection) for name, value in given.items()]

    def _advance(self, heads: dict[str, Message]) -> None:
        if not heads:
            return
        self._position._default_manager.using(self.alias).bulk_create(
            [
                self._position(consumer=self.consumer, aggregate=name, applied_version=head.version, last_id=head.id)
                for name, head in sorted(heads.items())
            ],
            update_conflicts=True,
            unique_fields=["consumer", "aggregate"],
            update_fields=["applied_version", "last_id"],
        )
        successors = Q()
        for name, head in heads.items():
            successors |= Q(aggregate=name, version=head.version + 1)
        self.rows.filter(successors, state=State.WAITING, due__isnull=True).update(due=Clock())

    def mark(self, row: Row) -> None:
        """Count an attempt and take the lease."""
        self._own(row).update(attempts=row.attempts + 1, marked_until=Clock() + timedelta(seconds=MARK_SECONDS))

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

    def sleep(self, aggregate: str) -> None:
        """Take the time from rows above the head; retire rows at or below the position."""
        applied = self.positions.values_list("applied_version", flat=True).get(aggregate=aggregate)
        rows = self.rows.filter(aggregate=aggregate, state=State.WAITING)
        rows.filter(version__gt=applied + 1, due__isnull=False).update(due=None)
        # Stored by somebody who read the position before it moved (MESSAGING, hole 9).
        rows.filter(version__lte=applied).update(
            state=State.APPLIED, applied_at=Clock(), reason="late duplicate", due=None, marked_until=None
        )

    def _own(self, row: Row) -> QuerySet[InboxRow]:
        return self.rows.filter(message_id=row.message.id, state=State.WAITING, attempts=row.attempts)

    def _table(self, model: type[InboxRow] | type[PositionRow]) -> str:
        return connections[self.alias].ops.quote_name(model._meta.db_table)


def _sorted(messages: Sequence[Message], places: dict[tuple[str, int], UUID], positions: dict[str, int]) -> Sorted:
    """Tell new messages from repetitions, and both from a second message for a place that is taken."""
    by_id = {message_id: place for place, message_id in places.items()}
    fresh: list[Message] = []
    forks: list[Message] = []
    duplicates = 0
    for message in sorted(messages):
        place = (message.aggregate, message.version)
        holder, other_place = places.get(place), by_id.get(message.id, place)
        if holder == message.id:
            duplicates += 1
        elif holder is not None:
            forks.append(message.forked(f"forked history: {place[0]}@{place[1]} is message {holder} here"))
        elif other_place != place:
            forks.append(message.forked(f"forked history: this id is {other_place[0]}@{other_place[1]} here"))
        elif message.version <= positions.get(message.aggregate, 0):
            duplicates += 1  # applied, and its row pruned
        else:
            fresh.append(message)
            places[place] = message.id
            by_id[message.id] = place
    return Sorted(tuple(fresh), duplicates, tuple(forks))


def _places(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))
