"""The relay's shell as a simulated process: the real machine decides, the twins of the store and the bus obey."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

from .database import Deadlock, Gone, LockTimeout, Step
from .processes import IDLE, Process

# As in relay/shell.py.
PUBLISH_DEADLINE_SECONDS = 2.0
SWEEP_SECONDS = 1.0
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.1, 2.0


class RelayProcess(Process):
    """Publishes the lanes of the owner's outbox that it holds."""

    kind = "relay"
    lives = 0
    stands_by = False

    def reset(self) -> None:
        """Forget everything."""
        self.core = self.world.parts.relay
        self.lives += 1
        # As in RelayLoop: another one after each start.
        self.owner = f"{self.name}.{self.lives}"
        self.machine = self.core.Relay(self.owner, self.stands_by)
        self.others_end = SWEEP_SECONDS
        self.connection: Any = None
        self.confirmed_before: list[Any] = []
        self.forget()

    def forget(self) -> None:
        """Begin a session."""
        self.batch: list[Any] = []
        self.refused: list[Any] = []
        # For the invariants: under which fence, and with what to be done among lanes, each row was read;
        # what was sent and confirmed, and what was sent before and not.
        self.read_under: dict[Any, int] = {}
        self.unnoticed: dict[Any, dict[int, int]] = {}
        self.confirmed: set[Any] = set()
        self.unconfirmed: dict[Any, Any] = {}

    def life(self) -> Step:
        """Run sessions until asked to stop."""
        pause = FIRST_RETRY_SECONDS
        while not self.is_stopping:
            try:
                yield from self._session()
            except (Gone, Deadlock, LockTimeout):
                self.abandon()
            yield from self._close()
            yield self.after(pause)
            pause = min(LONGEST_RETRY_SECONDS, pause * 2)

    def _session(self) -> Step:
        self.world.invariants.on_trouble(self.world.database.now)
        self.machine = self.core.Relay(self.owner, self.stands_by)
        self.statements = self.world.statements_of_relay()
        self.others_end = SWEEP_SECONDS
        self.forget()
        events: deque[Any] = deque([self.core.Tick()])
        while True:
            while events:
                for effect in self.machine.step(events.popleft()):
                    self.passes(self.doing(effect), effect)
                    # A batch in flight is settled; none is begun.
                    if self.is_stopping and self.at[1] in ("Acquire", "Claim", "Publish"):
                        continue
                    yield None
                    events.extend((yield from self._perform(effect)))
            if self.is_stopping:
                return
            self.at = IDLE
            events.append((yield from self._idle()))

    def doing(self, effect: Any) -> str:
        """Return a name for what the machine does; `publishing` has a batch that is not sent yet."""
        machine, name = self.machine, type(effect).__name__
        if name in ("Acquire", "Ask"):
            return "sharing"
        if name == "Pause":
            return "idle"
        if machine.inflight and name != "Disconnect":
            return "publishing"
        if not machine.held and name != "Settle":
            return "free"
        return "busy" if machine.busy else "idle"

    def _perform(self, effect: Any) -> Step:
        core, statements, name = self.core, self.statements, self.at[1]
        if name == "Claim":
            return [self._claimed(effect, (yield from statements.claim(self, effect)))]
        if name == "Publish":
            yield from self._publish(effect.rows)
            return []
        if name == "Await":
            return (yield from self._await())
        if name == "Settle":
            settle = replace(effect, then=None) if self.is_stopping else effect
            lost, found = yield from statements.settle(self, settle)
            return [core.Settled(lost), *([self._claimed(settle.then, found)] if found else [])]
        if name == "Acquire":
            fences = yield from statements.acquire(self, self.machine.owner, effect.lanes)
            return [core.Leased(fences)] if fences else []
        if name in ("Ask", "GiveBack"):
            if name == "Ask":
                yield from statements.ask(self, self.machine.owner, effect.lanes)
            else:
                yield from statements.release(self, effect.fences)
            self.world.wake_relays()
            return []
        if name == "Disconnect":
            self.disconnect()
            return []
        if name == "Pause":
            ends = self.after(effect.seconds)
            while self.world.database.now < ends:
                yield ends
            return [core.Tick()]
        raise AssertionError(f"no twin for the effect {name}")

    def _claimed(self, asked: Any, found: Any) -> Any:
        core, (rows, lanes) = self.core, found
        others = [lane.left_seconds for lane in lanes if lane.number not in asked.fences and not lane.is_free]
        self.others_end = min(others, default=SWEEP_SECONDS)
        unnoticed = self.world.invariants.to_be_noticed(self, asked.fences, lanes)
        for row in rows:
            self.read_under[row["id"]] = asked.fences[row["lane"]]
            self.unnoticed[row["id"]] = unnoticed
        pending = (core.Pending(id=row["id"], lane=row["lane"], attempts=row["attempts"], row=row) for row in rows)
        return core.Claimed(tuple(pending), lanes)

    def _publish(self, rows: tuple[Any, ...]) -> Step:
        core, broker = self.core, self.world.broker
        self.batch, self.refused = list(rows), []
        self.world.invariants.on_batch(self, [pending.row for pending in rows])
        if self.connection is None or not self.connection.is_open:
            self.connection = broker.connect(self)
        if self.connection is None:
            return
        connection = self.connection
        connection.verdicts = {}
        for pending in rows:
            if self.world.messages.publish_fate(pending.id) == "unencodable":
                self.refused.append(core.Refused(pending.id, "cannot be encoded"))
            elif connection.is_open:
                broker.send(connection, pending.row)
                yield None

    def _await(self) -> Step:
        connection, refused = self.connection, {one.id for one in self.refused}
        sent = [pending for pending in self.batch if pending.id not in refused]
        self.batch = []
        if not sent:
            return self.refused
        if connection is None:
            return [self.core.Lost("the broker cannot be reached")]
        ends = self.after(PUBLISH_DEADLINE_SECONDS)
        while connection.is_open and len(connection.verdicts) < len(sent) and self.world.database.now < ends:
            yield ends
        return [*self.refused, *self._judge(connection, sent)]

    def _judge(self, connection: Any, sent: list[Any]) -> list[Any]:
        core, events = self.core, []
        for pending in sent:
            verdict = connection.verdicts.get(pending.id)
            if verdict == "confirmed":
                events.append(core.Confirmed(pending.id))
            elif verdict == "refused":
                events.append(core.Refused(pending.id, "nacked"))
            elif verdict == "returned":
                events.append(core.Returned(pending.id, "no consumer is bound"))
        confirmed = [event.id for event in events if type(event) is core.Confirmed]
        # The bus matches tags; the machine must not rest on it. What was confirmed once is in the broker.
        if self.confirmed_before and self.random() < 0.1:
            again = self.confirmed_before[int(self.random() * len(self.confirmed_before))]
            events.insert(0, core.Confirmed(again))
            confirmed += [again] * (again in self.machine.inflight)
        self.confirmed_before += confirmed
        self.world.invariants.on_confirm(self, confirmed)
        # A connection that closes on the last verdict has lost nothing of this batch, and nothing of the next.
        is_told = {one.id for one in sent} <= {event.id for event in events}
        if not is_told:
            events.append(core.Lost("the connection is gone", connection.blames_message))
        elif len(connection.verdicts) < len(sent):
            self.disconnect()
        return events

    def _idle(self) -> Step:
        if self.connection is not None and not self.connection.is_open:
            return self.core.Lost("the idle connection is dead")
        yield self.after(max(0.02, min(SWEEP_SECONDS, self.others_end)))
        return self.core.Tick()

    def _close(self) -> Step:
        self.world.invariants.on_trouble(self.world.database.now)
        self.disconnect()
        if self.machine.held:
            try:
                yield from self.statements.release(self, self.machine.held)
            except (Gone, Deadlock, LockTimeout):
                self.abandon()
            self.world.wake_relays()

    def disconnect(self) -> None:
        """Drop the broker's connection."""
        connection, self.connection = self.connection, None
        if connection is not None:
            self.world.broker.hang_up(connection)
