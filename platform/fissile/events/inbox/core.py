"""The inbox's machine, free of I/O: state + event → effects (decisions 8 and 9).

It applies each aggregate's versions in order, once, for one consumer. An effect
list runs in order; an event that says an effect failed cancels the rest of it.
May touch: nothing. No clock, no randomness, no database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from .heads import Head, Row
from .received import Message

# Verdicts of a handler before its message is parked. At least 5: a process that
# was killed from outside during a marked run costs one, too.
ATTEMPTS = 5


# -- what happens to the machine ------------------------------------------------
@dataclass(frozen=True)
class Tick:
    """Look at what is due; at least once a second, because skip-locked loses wake-ups."""


@dataclass(frozen=True)
class Delivered:
    """The broker handed over a batch; `redelivered` if any of it was out before."""

    messages: tuple[Message, ...]
    redelivered: bool


@dataclass(frozen=True)
class Isolated:
    """A suspect was handed over to this machine's process: its next row is run here, and nothing after it."""

    aggregate: str


@dataclass(frozen=True)
class Locked:
    """Answer to Lock: the positions that could be locked. `begun`: from whose handler another has yet to come back."""

    heads: Mapping[str, Head]
    begun: frozenset[UUID] = frozenset()


@dataclass(frozen=True)
class Found:
    """Answer to Look: aggregates with something due."""

    aggregates: tuple[str, ...]


@dataclass(frozen=True)
class Committed:
    """Answer to Commit."""


@dataclass(frozen=True)
class Failed:
    """A handler or the writing of its outcome failed. `transient`: nobody's fault, costs no attempt."""

    reason: str
    transient: bool = False


@dataclass(frozen=True)
class Aborted:
    """The database ended our transaction, or is gone."""


Event = Tick | Delivered | Isolated | Locked | Found | Committed | Failed | Aborted


# -- what the machine wants done ------------------------------------------------
@dataclass(frozen=True)
class Ensure:
    """Make missing positions, sorted, in a short transaction of its own."""

    aggregates: tuple[str, ...]


@dataclass(frozen=True)
class Begin:
    """Open the transaction."""


@dataclass(frozen=True)
class Commit:
    """Commit it. Answer: Committed."""


@dataclass(frozen=True)
class Rollback:
    """Undo it."""


@dataclass(frozen=True)
class Lock:
    """Lock positions in sorted order, skipping those of others unless `wait`. Answer: Locked."""

    aggregates: tuple[str, ...]
    wait: bool


@dataclass(frozen=True)
class Handle:
    """Run the handler inside the transaction. Answer: Failed, or nothing."""

    message: Message


@dataclass(frozen=True)
class Apply:
    """Write `applied` and `waiting` rows in ONE sorted statement, advance positions, wake successors.

    Two statements would deadlock with another process's batch (MESSAGING, hole 1).
    """

    applied: tuple[Message, ...]
    waiting: tuple[Message, ...]


@dataclass(frozen=True)
class Store:
    """Write waiting rows (quarantined ones: parked), leaving out what is known; takes no position lock."""

    messages: tuple[Message, ...]


@dataclass(frozen=True)
class Mark:
    """Count an attempt and take the row's lease, before the handler runs."""

    row: Row


@dataclass(frozen=True)
class Retry:
    """Look again later; `refund` gives the attempt back."""

    row: Row
    refund: bool
    reason: str


@dataclass(frozen=True)
class Park:
    """Make it a dead letter: its aggregate waits for an operator, the others go on."""

    row: Row
    reason: str


@dataclass(frozen=True)
class Sleep:
    """Rows above the head: no time of their own. Rows at or below the position: late duplicates."""

    aggregate: str


@dataclass(frozen=True)
class Isolate:
    """Have a suspect's next run happen in a process of its own; if there is one already, at a later sweep."""

    aggregate: str


@dataclass(frozen=True)
class Ack:
    """Acknowledge the whole batch: everything in it is committed."""


@dataclass(frozen=True)
class Look:
    """Find aggregates with something due, among these or (None) all. Answer: Found."""

    aggregates: tuple[str, ...] | None


@dataclass(frozen=True)
class Disconnect:
    """Drop the broker connection: unacknowledged messages come back, flagged."""


Effect = (
    Ensure | Begin | Commit | Rollback | Lock | Handle | Apply | Store
    | Mark | Retry | Park | Sleep | Isolate | Ack | Look | Disconnect
)  # fmt: skip
Doing = Literal["idle", "fast", "store", "alone", "look", "mark", "marked", "run", "ran", "fail", "done"]


@dataclass
class Inbox:
    """The machine. `step` returns what to do next; the shell obeys and reports.

    `isolates`: a suspect is handed over, for it must not take others with it once more. Without, it is run here.
    """

    isolates: bool = False
    doing: Doing = "idle"
    batch: tuple[Message, ...] = ()
    alone: list[Message] = field(default_factory=list)
    todo: list[str] = field(default_factory=list)
    row: Row | None = None
    has_more: bool = False
    is_last: bool = False
    failed: Failed | None = None

    def step(self, event: Event) -> Sequence[Effect]:
        """Return the effects of an event, in order."""
        match event:
            case Aborted():
                return self._idle([Disconnect()])
            case Failed():
                return self._failed(event)
            case Committed():
                return self._committed()
            case Locked(heads, begun):
                return self._locked(heads, begun)
            case Tick() if self.doing == "idle":
                return self._look(None)
            case Isolated(aggregate) if self.doing == "idle":
                self.todo, self.is_last = [aggregate], True
                return self._next()
            case Delivered(messages, redelivered) if self.doing == "idle":
                self.batch = messages
                is_doubtful = redelivered or any(message.quarantine for message in messages)
                return self._store() if is_doubtful else self._fast()
            case Found(aggregates) if self.doing == "look":
                self.todo = list(aggregates)
                # Rows made by other hands (a fork, a re-read, a backfill) may have no position yet.
                return [Ensure(aggregates), *self._next()] if aggregates else self._next()
        return []

    def rest(self) -> None:
        """Finish what is begun and start nothing more; the rows left behind keep their time."""
        self.todo.clear()
        self.has_more = False

    def _committed(self) -> Sequence[Effect]:
        match self.doing:
            case "fast" | "store":
                return [Ack(), *self._look(self._aggregates())]
            case "alone":
                self.alone.pop(0)
                return self._store_next()
            case "marked":
                return self._relock("run")
            case "ran":
                if self.has_more and not self.is_last:
                    self.todo.insert(0, self._row.message.aggregate)
                return self._next()
            case "done":
                return self._next()
        return []

    def _failed(self, failed: Failed) -> Sequence[Effect]:
        match self.doing:
            case "fast":
                # The rerun comes from the table: the broker vouches for each message
                # once, and a batch with a bad one in it must not be tried as a batch.
                return [Rollback(), *self._store()]
            case "store":
                self.alone = list(self.batch)
                return [Rollback(), *self._store_next()]
            case "alone" if not self.alone[0].quarantine and not failed.transient:
                self.alone[0] = self.alone[0].quarantined(failed.reason)
                return [Rollback(), *self._store_next()]
            case "ran":
                self.failed = failed
                return [Rollback(), *self._relock("fail")]
        return self._idle([Rollback(), Disconnect()])

    def _locked(self, heads: Mapping[str, Head], begun: frozenset[UUID]) -> Sequence[Effect]:
        match self.doing:
            case "fast":
                return self._plan(heads, begun)
            case "mark":
                return self._mark(heads, begun)
            case "run" | "fail" if not self._is_ours(heads):
                # Its lease ran out and somebody else took it on: the zombie goes home.
                return [Rollback(), *self._next()]
            case "run":
                self.doing = "ran"
                message = self._row.message
                # What is stored from here on is looked at by whoever stores it.
                self.has_more = len(heads[message.aggregate].rows) > 1
                return [Handle(message), Apply((message,), ()), Commit()]
            case "fail":
                return self._give_verdict(heads)
        return []

    # First delivery: one transaction for the whole batch, handlers unmarked,
    # because the broker still holds the messages and will flag them.
    def _fast(self) -> Sequence[Effect]:
        self.doing = "fast"
        aggregates = self._aggregates()
        return [Ensure(aggregates), Begin(), Lock(aggregates, wait=False)]

    def _plan(self, heads: Mapping[str, Head], begun: frozenset[UUID]) -> Sequence[Effect]:
        run: list[Message] = []
        for aggregate, head in sorted(heads.items()):
            fresh: dict[int, Message] = {}
            for message in self.batch:
                if message.aggregate == aggregate:
                    fresh.setdefault(message.version, message)
            version = head.applied + 1
            while (turn := _may_run(head.rows.get(version), fresh.get(version))) and turn.id not in begun:
                run.append(turn)
                version += 1
        taken = set(run)
        rest = tuple(message for message in self.batch if message not in taken)
        return [*map(Handle, run), Apply(tuple(run), rest), Commit()]

    # Anything doubtful: store, acknowledge, then one event a transaction.
    def _store(self) -> Sequence[Effect]:
        self.doing = "store"
        return [Ensure(self._aggregates()), Begin(), Store(self.batch), Commit()]

    def _store_next(self) -> Sequence[Effect]:
        self.doing = "alone"
        if not self.alone:
            return [Ack(), *self._look(self._aggregates())]
        message = self.alone[0]
        return [Ensure((message.aggregate,)), Begin(), Store((message,)), Commit()]

    def _look(self, aggregates: tuple[str, ...] | None) -> Sequence[Effect]:
        self.doing = "look"
        return [Look(aggregates)]

    def _next(self) -> Sequence[Effect]:
        if not self.todo:
            return self._idle([])
        self.doing = "mark"
        return [Begin(), Lock((self.todo.pop(0),), wait=False)]

    def _mark(self, heads: Mapping[str, Head], begun: frozenset[UUID]) -> Sequence[Effect]:
        if not heads:  # somebody else is at it, and the sweep will look again
            return [Rollback(), *self._next()]
        ((aggregate, head),) = heads.items()
        self.doing = "done"
        row = head.next
        if row is None or row.state != "waiting" or not row.is_due:
            return [Sleep(aggregate), Commit()]
        if row.attempts >= ATTEMPTS:
            return [Park(row, "never came back: each process that ran it died"), Commit()]
        # A first run leaves no mark; what has had a verdict since is like any other.
        if self.isolates and (row.is_suspect or (not row.attempts and row.message.id in begun)):
            return [Rollback(), Isolate(aggregate), *self._next()]
        self.doing, self.row = "marked", row
        return [Mark(row), Commit()]

    def _relock(self, doing: Literal["run", "fail"]) -> Sequence[Effect]:
        self.doing = doing
        return [Begin(), Lock((self._row.message.aggregate,), wait=True)]

    def _is_ours(self, heads: Mapping[str, Head]) -> bool:
        head = heads.get(self._row.message.aggregate)
        row = head.next if head else None
        if row is None or row.state != "waiting" or row.message != self._row.message:
            return False
        # The number alone is not enough: another's refund makes it ours again.
        return row.is_marked and row.attempts == self._row.attempts + 1

    def _give_verdict(self, heads: Mapping[str, Head]) -> Sequence[Effect]:
        self.doing = "done"
        row = heads[self._row.message.aggregate].next
        if row is None or self.failed is None:
            raise AssertionError("a verdict without a failed row: _is_ours() stands before this")
        if row.attempts >= ATTEMPTS and not self.failed.transient:
            return [Park(row, self.failed.reason), Commit()]
        return [Retry(row, self.failed.transient, self.failed.reason), Commit()]

    @property
    def _row(self) -> Row:
        if self.row is None:
            raise AssertionError(f"doing {self.doing} without a row")
        return self.row

    def _aggregates(self) -> tuple[str, ...]:
        return tuple(sorted({message.aggregate for message in self.batch}))

    def _idle(self, effects: Sequence[Effect]) -> Sequence[Effect]:
        self.doing, self.batch, self.alone, self.todo = "idle", (), [], []
        self.row, self.failed, self.has_more, self.is_last = None, None, False, False
        return effects


def _may_run(row: Row | None, fresh: Message | None) -> Message | None:
    # A row that has failed before belongs to the careful path and its clock.
    if row is None:
        return fresh
    return row.message if row.state == "waiting" and not row.attempts else None
