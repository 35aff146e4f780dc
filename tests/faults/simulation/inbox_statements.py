"""What the inbox's store does, statement by statement: the twin of `fissile.events.inbox.store.InboxStore`.

A `yield` stands before each statement. Sorting new from known is the real `sorting.sort_out`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .database import Database, Row, Step, UniqueViolation

# As in inbox/store.py.
MARK_SECONDS = 10.0
# As in inbox/shell.py: retries double from the first to the longest.
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, JITTER = 0.2, 30.0, 0.25


class InboxStatements:
    """One consumer's rows in its context's database; `process.tx` is what is open."""

    def __init__(self, database: Database, parts: Any, consumer: str) -> None:
        self.db, self.parts = database, parts
        self.inbox, self.position = f"inbox.{consumer}", f"position.{consumer}"

    def ensure(self, process: Any, aggregates: Sequence[str]) -> Step:
        """InboxStore.ensure: missing positions at 0, in a transaction of their own."""
        db = self.db
        missing = [name for name in sorted(aggregates) if db.get(None, self.position, name) is None]
        if not missing:
            return
        tx = process.begin()
        for name in missing:
            yield None
            yield from db.lock(tx, self.position, name)
            if db.get(tx, self.position, name) is None:
                db.put(tx, self.position, name, {"applied": 0, "last": None})
        process.commit()

    def lock(self, process: Any, aggregates: Sequence[str], wait: bool) -> Step:
        """InboxStore.lock: positions in sorted order, then, in a new statement, the rows above them."""
        db, tx, core = self.db, process.tx, self.parts.inbox
        applied: dict[str, int] = {}
        for name in sorted(aggregates):
            if db.get(None, self.position, name) is None:
                continue
            yield None
            if (yield from db.lock(tx, self.position, name, wait=wait)):
                applied[name] = db.get(tx, self.position, name)["applied"]
        yield None
        above: dict[str, dict[int, Any]] = {name: {} for name in applied}
        for _, row in db.rows(tx, self.inbox):
            message = row["message"]
            if row["state"] != "applied" and message.version > applied.get(message.aggregate, message.version):
                above[message.aggregate][message.version] = core.Row(
                    message, row["state"], row["attempts"], self._is_due(row), row["marked_until"] is not None
                )
        return {name: core.Head(version, above[name]) for name, version in applied.items()}

    def _is_due(self, row: Row) -> bool:
        due, marked = row["due"], row["marked_until"]
        return due is not None and due <= self.db.now and (marked is None or marked <= self.db.now)

    def look(self, aggregates: Sequence[str] | None) -> Step:
        """InboxStore.look: aggregates with something due, longest due first."""
        yield None
        due: dict[str, float] = {}
        for _, row in self.db.rows(None, self.inbox):
            name = row["message"].aggregate
            if row["state"] == "waiting" and self._is_due(row) and (aggregates is None or name in aggregates):
                due[name] = min(due.get(name, row["due"]), row["due"])
        return tuple(sorted(due, key=lambda name: (due[name], name)))

    def store(self, process: Any, messages: Sequence[Any]) -> Step:
        """InboxStore.store: insert what is new, without a position lock."""
        return (yield from self._write(process.tx, {}, messages))

    def apply(self, process: Any, outcomes: dict[Any, str], waiting: Sequence[Any]) -> Step:
        """InboxStore.apply: outcomes and waiting rows in one statement, advance, wake successors."""
        if not outcomes:
            return (yield from self.store(process, waiting))
        tx = process.tx
        found = yield from self._write(tx, outcomes, waiting)
        heads: dict[str, Any] = {}
        for message in outcomes:
            if message.aggregate not in heads or heads[message.aggregate].version < message.version:
                heads[message.aggregate] = message
        yield from self._advance(tx, heads)
        return found

    def _write(self, tx: Any, outcomes: dict[Any, str], waiting: Sequence[Any]) -> Step:
        found = yield from self._sort_out(tx, waiting, list(outcomes))
        rows = [*found.fresh, *found.forks]
        left_out = len(outcomes) + len(rows) - (yield from self._insert(tx, outcomes, rows))
        if not left_out:
            return found
        late = (yield from self._sort_out(tx, found.fresh, list(outcomes))).forks
        yield from self._insert(tx, {}, late)
        return self.parts.sorting.Sorted(found.fresh, found.duplicates + left_out - len(late), (*found.forks, *late))

    def _sort_out(self, tx: Any, messages: Sequence[Any], applied: Sequence[Any]) -> Step:
        if not messages:
            return self.parts.sorting.Sorted((), 0, ())
        names = {message.aggregate for message in messages}
        ids, versions = {message.id for message in messages}, {message.version for message in messages}
        yield None
        places: dict[tuple[str, int], Any] = {}
        for _, row in self.db.rows(tx, self.inbox):
            known = row["message"]
            if known.id in ids or (known.aggregate in names and known.version in versions):
                places[known.aggregate, known.version] = known.id
        yield None
        positions: dict[str, int] = {}
        for name in names:
            row = self.db.get(tx, self.position, name)
            if row is not None:
                positions[name] = row["applied"]
                if row["last"] is not None:
                    places.setdefault((name, row["applied"]), row["last"])
        places |= {(message.aggregate, message.version): message.id for message in applied}
        return self.parts.sorting.sort_out(messages, places, positions)

    def _insert(self, tx: Any, outcomes: dict[Any, str], others: Sequence[Any]) -> Step:
        count = 0
        for message in sorted([*outcomes, *others]):
            yield None
            count += yield from self._upsert(tx, message, outcomes.get(message), updates=bool(outcomes))
        return count

    def _upsert(self, tx: Any, message: Any, outcome: str | None, *, updates: bool) -> Step:
        """Write a row, if nothing is against it; return whether it was written."""
        db = self.db
        # ON CONFLICT DO NOTHING waits for an uncommitted twin and locks no committed one;
        # DO UPDATE locks the row it meets, whether or not its WHERE then holds.
        if db.get(tx, self.inbox, message.id) is None or updates:
            yield from db.lock(tx, self.inbox, message.id)
        row = db.get(tx, self.inbox, message.id)
        if row is not None:
            is_ours = outcome is not None and row["state"] == "waiting"
            if is_ours:
                db.put(tx, self.inbox, message.id, self._applied(row, outcome))
            return is_ours
        place = (message.aggregate, message.version)
        if not self._holds(tx, place):
            yield from db.lock(tx, f"{self.inbox}.stream", place)
        if self._holds(tx, place):
            if updates:
                raise UniqueViolation
            return False
        row = {"message": message, "state": "waiting", "reason": message.quarantine, "attempts": 0}
        row |= {"due": db.now, "marked_until": None}
        if outcome is not None:
            row = self._applied(row, outcome)
        elif message.quarantine:
            row |= {"state": "parked", "due": None}
        db.put(tx, self.inbox, message.id, row)
        return True

    def _holds(self, tx: Any, place: tuple[str, int]) -> bool:
        messages = (row["message"] for _, row in self.db.rows(tx, self.inbox))
        return any((message.aggregate, message.version) == place for message in messages)

    def _applied(self, row: Row, reason: str) -> Row:
        return {**row, "state": "applied", "reason": reason, "due": None, "marked_until": None}

    def _advance(self, tx: Any, heads: dict[str, Any]) -> Step:
        yield None
        for name, head in sorted(heads.items()):
            yield from self.db.lock(tx, self.position, name)
            self.db.put(tx, self.position, name, {"applied": head.version, "last": head.id})
        yield None
        for name, head in heads.items():
            yield from self._wake(tx, name, head.version + 1)

    def _wake(self, tx: Any, name: str, version: int) -> Step:
        for key, row in self.db.rows(tx, self.inbox):
            message = row["message"]
            if (message.aggregate, message.version) == (name, version) and row["due"] is None:
                yield from self._update(tx, key, {"due": self.db.now})

    def mark(self, process: Any, effect: Any) -> Step:
        """InboxStore.mark."""
        attempt = effect.row.attempts + 1
        changes = {"attempts": attempt, "marked_until": self.db.now + process.mark_seconds(attempt)}
        yield from self._own(process.tx, effect.row, changes)

    def retry(self, process: Any, effect: Any) -> Step:
        """InboxStore.retry, with InboxShell's delay."""
        row = effect.row
        delay = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** max(0, row.attempts - 1))
        delay *= 1 + JITTER * process.random()
        process.soonest = min(process.soonest, process.after(delay))
        changes = {"attempts": row.attempts - int(effect.refund), "marked_until": None, "due": self.db.now + delay}
        yield from self._own(process.tx, row, {**changes, "reason": effect.reason})

    def park(self, process: Any, effect: Any) -> Step:
        """InboxStore.park."""
        changes = {"state": "parked", "reason": effect.reason, "due": None, "marked_until": None}
        yield from self._own(process.tx, effect.row, changes)

    def sleep(self, process: Any, effect: Any) -> Step:
        """InboxStore.sleep: no time for rows above the head; rows at or below the position are done."""
        db, tx = self.db, process.tx
        yield None
        applied = db.get(tx, self.position, effect.aggregate)["applied"]
        yield None
        for key, row in db.rows(tx, self.inbox):
            if row["message"].aggregate == effect.aggregate and row["state"] == "waiting":
                version = row["message"].version
                if version > applied + 1 and row["due"] is not None:
                    yield from self._update(tx, key, {"due": None})
                elif version <= applied:
                    yield from self._update(tx, key, self._applied({}, "late duplicate"))

    def _own(self, tx: Any, row: Any, changes: Row) -> Step:
        yield from self._update(tx, row.message.id, changes, attempts=row.attempts)

    def _update(self, tx: Any, key: Any, changes: Row, attempts: int | None = None) -> Step:
        yield from self.db.lock(tx, self.inbox, key)
        row = self.db.get(tx, self.inbox, key)
        if row is not None and row["state"] == "waiting" and attempts in (None, row["attempts"]):
            self.db.put(tx, self.inbox, key, {**row, **changes})

    def replay(self, process: Any, key: Any) -> Step:
        """dead_letters._replay_inbox: the position first, then the row."""
        db = self.db
        message = db.get(None, self.inbox, key)["message"]
        tx = process.begin()
        yield from db.lock(tx, self.position, message.aggregate)
        position = db.get(tx, self.position, message.aggregate) or {"applied": 0, "last": None}
        db.put(tx, self.position, message.aggregate, position)
        yield None
        yield from db.lock(tx, self.inbox, key)
        row = db.get(tx, self.inbox, key)
        if row is not None and row["state"] == "parked" and position["applied"] < message.version:
            changes = {"state": "waiting", "attempts": 0, "due": db.now, "marked_until": None}
            db.put(tx, self.inbox, key, {**row, **changes})
        process.commit()

    def prune(self, process: Any) -> Step:
        """retention.prune_inbox, one batch: applied rows go, positions stay."""
        db = self.db
        tx = process.begin()
        yield None
        for key, row in db.rows(tx, self.inbox):
            if row["state"] == "applied" and (yield from db.lock(tx, self.inbox, key, wait=False)):
                db.put(tx, self.inbox, key, None)
        process.commit()
