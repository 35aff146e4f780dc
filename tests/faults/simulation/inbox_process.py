"""The inbox's loop and shell as a simulated process: the real machine decides, twins of store and handlers obey."""

from __future__ import annotations

from collections import deque
from typing import Any

from .database import Deadlock, Gone, LockTimeout, Step, UniqueViolation
from .processes import FOREVER, HUNG_SECONDS, IDLE, HandlerRaised, Process

# As in inbox/loop.py; a batch is small, so that a schedule has several.
BATCH = 4
SWEEP_SECONDS = 1.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0
# As in inbox/isolation.py and isolated.py: the n-th attempt may take n times as long; its mark outlasts it.
ISOLATION_SECONDS, MARGIN_SECONDS = 6.0, 3.0


class InboxProcess(Process):
    """Consumes one stream into one context's inbox."""

    kind = "inbox"

    def __init__(self, world: Any, name: str, rate: float, consumer: str) -> None:
        super().__init__(world, name, rate)
        self.consumer = consumer
        self.statements = world.inbox_statements[consumer]
        self.child: IsolatedProcess | None = None
        self.deployed_as = name

    def reset(self) -> None:
        """Forget everything."""
        self.core = self.world.parts.inbox
        # begun.Begun: what others are handling, or were when they were killed, as of the last look.
        self.slot = next(self.world.numbers)
        self.left: frozenset[Any] = frozenset()
        self._look_for_begun()
        self.machine = self.core.Inbox(isolates=True)
        # What an earlier life has left behind goes on as an orphan.
        self.child = None
        self.handles = self.world.handlers.types_of(self)
        self.connection: Any = None
        self.handled: dict[Any, str] = {}
        self.handling: Any = None
        self.suspects: set[str] = set()
        self.sweep_at, self.soonest, self.away_until = 0.0, FOREVER, 0.0
        self.misses = 0

    def life(self) -> Step:
        """Sweep and receive until asked to stop."""
        while not self.is_stopping:
            now = self.world.database.now
            if now < self.away_until:
                yield self.away_until
                continue
            if now >= min(self.sweep_at, self.soonest):
                self.sweep_at = self.after(SWEEP_SECONDS)
                if now >= self.soonest:
                    self.soonest = FOREVER
                yield from self._drive(self.core.Tick())
                continue
            batch = self._receive()
            if batch:
                redelivered = any(one.redelivered for one in batch)
                if redelivered:
                    self._look_for_begun()
                yield from self._drive(self.core.Delivered(tuple(one.message for one in batch), redelivered))
            else:
                yield min(self.sweep_at, self.soonest)
        self.disconnect()

    def _receive(self) -> list[Any]:
        if self.connection is None or not self.connection.is_open:
            self.connection = self.world.broker.connect(self)
        if self.connection is None:
            return []
        limit = 1 + int(self.random() * BATCH)
        return list(self.world.broker.receive(self.connection, self.consumer, limit))

    def _drive(self, event: Any) -> Step:
        machine, core = self.machine, self.core
        ends = (core.Failed, core.Aborted)
        effects = deque(machine.step(event))
        while effects:
            if self.is_stopping:
                machine.rest()
            effect = effects.popleft()
            self.passes(machine.doing, effect)
            yield None
            answer = yield from self._perform(effect)
            if isinstance(answer, ends):
                effects.clear()
            if answer is not None:
                effects.extend(machine.step(answer))
        self.at = IDLE

    def _perform(self, effect: Any) -> Step:
        try:
            return (yield from self._obey(effect))
        except Gone:
            return self._aborted()
        except (Deadlock, LockTimeout, UniqueViolation, HandlerRaised) as wrong:
            return self._trouble(wrong)

    def _trouble(self, wrong: Exception) -> Any:
        name, core, self.handling = self.at[1], self.core, None
        self._came_back()
        if name in ("Handle", "Apply"):
            is_transient = isinstance(wrong, Deadlock | LockTimeout) or getattr(wrong, "is_transient", False)
            return core.Failed(type(wrong).__name__, is_transient)
        if name in ("Store", "Ensure") and isinstance(wrong, UniqueViolation | HandlerRaised):
            return core.Failed(type(wrong).__name__)
        return self._aborted()

    def _aborted(self) -> Any:
        self.abandon()
        self.handled.clear()
        self.handling = None
        self._came_back()
        self.misses = min(self.misses + 1, 10)
        self.away_until = self.after(min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (self.misses - 1)))
        return self.core.Aborted()

    def _obey(self, effect: Any) -> Step:
        statements, name, core = self.statements, self.at[1], self.core
        if name == "Begin":
            self.begin()
        elif name == "Lock":
            heads = yield from statements.lock(self, effect.aggregates, effect.wait)
            # For the invariants: what it knows when it hands over. A zombie may give its verdict just after.
            rows = {name: head.next for name, head in heads.items()}
            self.suspects = {name for name, row in rows.items() if row and self._is_suspect(row)}
            return core.Locked(heads, self.left)
        elif name == "Handle":
            if self.kind == "inbox":  # its own process has a mark
                self.begun[self.slot] = effect.message.id
            self.handled[effect.message] = yield from self._handle(effect.message)
            self._came_back()
        elif name == "Apply":
            outcomes = {message: self.handled[message] for message in effect.applied}
            self.world.messages.ensure_storable([*outcomes, *effect.waiting])
            yield from statements.apply(self, outcomes, effect.waiting)
            self.world.handlers.note(self, outcomes)
        elif name == "Commit":
            self.commit()
            self.handled.clear()
            self.handling, self.misses = None, 0
            return core.Committed()
        elif name == "Look":
            return core.Found(() if self.is_stopping else (yield from statements.look(effect.aggregates)))
        elif name == "Ensure":
            yield from statements.ensure(self, effect.aggregates)
        elif name == "Ack":
            self._acknowledge()
        elif name == "Store":
            self.world.messages.ensure_storable(effect.messages)
            yield from statements.store(self, effect.messages)
        elif name == "Isolate":
            self._isolate(effect.aggregate)
        elif name == "Rollback":
            self.rollback()
            self.handled.clear()
        elif name == "Disconnect":
            self.disconnect()
        else:
            yield from getattr(statements, name.lower())(self, effect)
        return None

    @property
    def begun(self) -> dict[int, Any]:
        """What each life of this consumer's processes is handling; a killed one's stays."""
        begun: dict[int, Any] = self.world.begun[self.consumer]
        return begun

    def _came_back(self) -> None:
        self.begun.pop(self.slot, None)

    def _look_for_begun(self) -> None:
        if self.world.schedule.shares_machine:
            self.left = frozenset(message for slot, message in self.begun.items() if slot != self.slot)

    def _is_suspect(self, row: Any) -> bool:
        return row.is_due and (row.is_marked or (not row.attempts and row.message.id in self.left))

    def _isolate(self, aggregate: str) -> None:
        self.world.invariants.on_isolate(self, aggregate)
        if self.child is None or not self.child.is_up:
            self.child = IsolatedProcess(self, aggregate)
            self.world.add_task(self.child)

    def mark_seconds(self, attempt: int) -> float:
        """Return how long a mark keeps others off."""
        return float(self.world.parts.inbox_statements.MARK_SECONDS)

    def hangs(self) -> None:
        """A handler of it never ends: a thread that shows no sign of life ends its worker."""
        self.ends_in(HUNG_SECONDS)

    def ends_in(self, seconds: float) -> None:
        """Die in so many seconds, if this life is still going on; one that is stopped dies when it goes on."""
        world, life = self.world, self.alive

        def end() -> None:
            if self.alive is not life:
                return
            if self.paused_until > world.database.now:
                world.at(self.paused_until - world.database.now, end)
            else:
                world.crash(self)

        world.at(seconds, end)

    def _acknowledge(self) -> None:
        if self.connection is not None and self.connection.is_open:
            self.world.invariants.on_acknowledge(self.consumer, [one.message for one in self.connection.unacked])
            self.world.broker.ack(self.connection)

    def _handle(self, message: Any) -> Step:
        world, core = self.world, self.world.parts.received
        yield None
        if message.type == core.UNDECODABLE:
            original = world.messages.read_again(message)
            world.messages.ensure_storable([original])
            yield from self.statements.store(self, [original])
            return "read at last"
        if message.type == core.FORKED:
            raise HandlerRaised("forked history")
        if message.type not in self.handles:
            return "unhandled"
        self.handling = message
        yield from world.handlers.run(self, message)
        self.handling = None
        return "handled"

    def disconnect(self) -> None:
        """Drop the broker's connection: what is unacknowledged comes back, flagged."""
        connection, self.connection = self.connection, None
        if connection is not None:
            self.world.broker.hang_up(connection)


class IsolatedProcess(InboxProcess):
    """A suspect's own process: it runs one row and ends. It outlives its parent, and nobody starts it again.

    At a graceful stop the real parent kills it after the grace: a kill at some effect, of which there are others.
    """

    kind = "isolated"

    def __init__(self, parent: InboxProcess, aggregate: str) -> None:
        super().__init__(parent.world, f"{parent.deployed_as}'s child", parent.rate, parent.consumer)
        self.parent, self.aggregate, self.deployed_as = parent, aggregate, parent.deployed_as
        self.ran: Any = None

    def reset(self) -> None:
        """Begin as any program does."""
        super().reset()
        self.machine = self.core.Inbox()
        self.left = frozenset()

    def life(self) -> Step:
        """Start, which takes Python a while, run the row, and end."""
        yield self.after(0.5 + 2 * self.random())
        yield from self._drive(self.core.Isolated(self.aggregate))

    def mark_seconds(self, attempt: int) -> float:
        """Set the alarm; the mark holds longer."""
        self.ends_in(self.rate * ISOLATION_SECONDS * attempt)
        return ISOLATION_SECONDS * attempt + MARGIN_SECONDS

    def hangs(self) -> None:
        """Its alarm is set already."""
