"""One schedule's world: its processes, database, broker and messages. The scheduler runs it, faults change it."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from .broker import Broker
from .database import Database
from .handlers import Handlers
from .invariants import Invariants
from .messages import Messages
from .parts import Parts, real_parts
from .processes import Process
from .schedule import CONSUMERS, INBOXES, RELAYS, Schedule
from .scheduler import Scheduler
from .tasks import Task

# A stop that is asked for ends in a kill after this; shorter than a supervisor's, so that it happens.
GRACE_SECONDS = 8.0
FREE_LANE = {"owner": "", "fence": 0, "until": 0.0, "paused": False, "wanted_by": "", "wanted_until": 0.0}


class World:
    """`points` counts every (kind, state, effect) that was reached, `crashed` those at which a process was killed."""

    def __init__(self, schedule: Schedule, parts: Parts | None = None, *, keeps_trace: bool = False) -> None:
        self.schedule, self.parts = schedule, parts or real_parts()
        rng = random.Random(f"order {schedule.seed}")
        self.random, self.shuffle = rng.random, rng.shuffle
        self.trace: list[str] | None = [] if keeps_trace else None
        self.points: Counter[tuple[str, str, str]] = Counter()
        self.crashed: Counter[tuple[str, str, str]] = Counter()
        # `hurts`: what may have cost a message of an inbox an attempt that was not its own fault.
        self.hurts, self.steps, self.has_pruned = 0, 0, False
        self.numbers = count(1)
        self.timers: list[tuple[float, int, Callable[[], None]]] = []
        # How often the owner's database was put back: its new events have new ids.
        self.generation = 0
        self.backup: dict[str, dict[Any, Any]] | None = None
        self.messages = Messages(self.parts.received)
        self.handlers = Handlers(self)
        self.invariants = Invariants(self, CONSUMERS)
        self.database = Database(self.invariants.on_commit, self.invariants.on_deadlock)
        self.database.tables["lane"] = {number: dict(FREE_LANE) for number in range(schedule.lanes)}
        self.broker = Broker(self, CONSUMERS)
        self.armed = [dict(fault) for fault in schedule.faults if "pair" in fault]
        # By consumer: life of a process → the message that it handles, or handled when it was killed.
        self.begun: dict[str, dict[int, Any]] = {name: {} for name in CONSUMERS}
        self._start()

    def _start(self) -> None:
        parts, random_ = self.parts, self.random
        self.inbox_statements = {
            name: parts.inbox_statements.InboxStatements(self.database, parts, name) for name in CONSUMERS
        }
        self.is_new = dict.fromkeys(INBOXES, not self.schedule.is_rolling)
        self.relays = [parts.relay_process.RelayProcess(self, name, 0.8 + 0.4 * random_()) for name in RELAYS]
        self.relays[-1].stands_by = self.schedule.has_standby
        self.inboxes = [
            parts.inbox_process.InboxProcess(self, name, 0.8 + 0.4 * random_(), name[0]) for name in INBOXES
        ]
        self.named: dict[str, Process] = {one.name: one for one in (*self.relays, *self.inboxes)}
        self.tasks: list[Process] = []
        self.broker_task = Task(self, "broker", self.broker.life)
        for one in (self.broker_task, *self.named.values()):
            one.start()

    def run(self) -> World:
        """Run the whole schedule; raise Violation."""
        Scheduler(self).run()
        return self

    def everybody(self) -> list[Process]:
        """Return everyone who may run."""
        return [*self.named.values(), *self.tasks, self.broker_task]

    def at(self, seconds: float, what: Callable[[], object]) -> None:
        """Do something in so many seconds."""
        heapq.heappush(self.timers, (self.database.now + seconds, next(self.numbers), what))  # type: ignore[misc]

    def say(self, what: str) -> None:
        """Add a line to the trace, if one is kept."""
        if self.trace is not None:
            self.trace.append(f"{self.database.now:9.3f}  {what}")

    def passed(self, process: Process) -> None:
        """Note an effect that comes next, and arm a fault that waits for it."""
        pair = (process.kind, *process.at)
        self.points[pair] += 1
        if self.trace is not None:
            self.say(f"{process.name} [{process.at[0]}] {process.at[1]}")
        for fault in self.armed:
            if tuple(fault["pair"]) == pair:
                fault["nth"] -= 1
                if fault["nth"] <= 0:
                    self.armed.remove(fault)
                    self.hurts += process.kind in ("inbox", "isolated")
                    process.doom, process.doomed_to = 1 + fault["delay"], fault
                break

    def crash(self, process: Process) -> None:
        """Kill -9, and a supervisor that starts it again."""
        if process.alive is None:
            return
        if process.at[1]:
            self.crashed[process.kind, *process.at] += 1
        self.say(f"{process.name} is killed at {process.at}")
        if process.kind == "relay":
            self.invariants.on_trouble(self.database.now)
        process.doom = 0
        process.die()
        if process in self.tasks:
            self.tasks.remove(process)  # type: ignore[arg-type]
        process.blocked = self.database.now + 0.3 + 2 * self.random()

    def finish(self, process: Process) -> None:
        """Ask a process to stop, and kill it after the grace; it starts again."""
        process.is_stopping = True
        process.wake()
        self.at(GRACE_SECONDS, lambda: self.crash(process) if process.is_stopping else None)

    def statements_of_relay(self) -> Any:
        """Return new hands on the outbox, which have seen nothing yet."""
        return self.parts.relay_statements.RelayStatements(self.database, self.parts.sharing)

    def wake_relays(self) -> None:
        """A wake-up, which may be lost."""
        for relay in self.relays:
            if self.random() < 0.7:
                relay.wake()

    def wake_consumers(self, name: str) -> None:
        """A message has arrived."""
        for one in self.inboxes:
            if one.consumer == name:
                one.wake()

    def add_task(self, task: Process) -> None:
        """Start something that runs once."""
        task.start()
        self.tasks.append(task)

    def resume_lanes(self, numbers: Iterable[int]) -> None:
        """End a pause: a lane whose row is locked a little later, or whoever holds it writes the pause once more."""
        lanes, locked = self.database.tables["lane"], []
        for number in numbers:
            if ("lane", number) in self.database._locks:
                locked.append(number)
            else:
                lanes[number] = {**lanes[number], "paused": False}
        if locked:
            self.at(0.1, lambda: self.resume_lanes(locked))

    def heads(self) -> dict[str, int]:
        """Return the owner's last version of each aggregate."""
        return {name: row["version"] for name, row in self.database.tables.get("aggregate", {}).items()}

    def mend(self) -> None:
        """End every outage; what is bad in a message stays bad."""
        self.invariants.is_mended, self.invariants.calm_at = True, 0.0
        self.invariants.on_trouble(self.database.now)
        self.database.is_up = True
        self.resume_lanes(self.database.tables["lane"])
        self.broker.mend()
        self.broker_task.paused_until = 0.0
        for one in (*self.named.values(), *self.tasks):
            one.paused_until = 0.0
        for one in self.named.values():
            if one.kind == "inbox" and not self.is_new[one.name]:
                self.is_new[one.name] = True
                one.is_stopping = True
            if one.is_stopping:
                self.finish(one)
