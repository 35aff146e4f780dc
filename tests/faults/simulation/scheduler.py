"""Decides who runs next and when time passes: chaos, calm until all is quiet, the operator, calm again."""

from __future__ import annotations

import heapq
from typing import Any

from .database import LOCK_SECONDS, Transaction
from .faults import meet, strike
from .invariants import Violation
from .processes import FOREVER, Process
from .schedule import CONSUMERS, STEPS
from .tasks import operator, writer

# Longer than eight attempts with their back-offs, or five hung runs and their leases.
CALM_SECONDS = 3000.0
CALM_STEPS = 60_000
# An operator's replay may show the next dead letter of the same aggregate.
OPERATIONS = 8


class Scheduler:
    """Runs the schedule of a world; the only one that moves its clock."""

    def __init__(self, world: Any) -> None:
        self._world = world

    def run(self) -> None:
        """Run it all; raise Violation."""
        self._chaos()
        self._calm()
        for _ in range(OPERATIONS):
            self._world.messages.repair()
            jobs = operator(self._world)
            if not jobs:
                break
            for job in jobs:
                self._world.add_task(job)
            self._calm()
        self._world.invariants.at_the_end()

    def _chaos(self) -> None:
        world, database, step = self._world, self._world.database, 0
        writes, faults = list(world.schedule.writes), [one for one in world.schedule.faults if "pair" not in one]
        while step < world.schedule.steps:
            while writes and writes[0].step <= step:
                world.add_task(writer(world, writes.pop(0)))
            while faults and faults[0]["step"] <= step:
                strike(world, faults.pop(0))
            if self._step():
                if world.random() < 0.04:
                    self._advance(database.now + world.random() * 1.5)
            elif self._next_work() > database.now:
                # Sweeps would find nothing: on to what happens next.
                step = min(writes[0].step if writes else STEPS, faults[0]["step"] if faults else STEPS) - 1
                self._advance(database.now + world.random() * 1.5)
            else:
                self._advance(min(self._next_time(), database.now + 1.0))
            step += 1

    def _calm(self) -> None:
        world = self._world
        world.mend()
        ends, steps = world.database.now + CALM_SECONDS, 0
        while True:
            while self._step():
                steps += 1
                if steps > CALM_STEPS:
                    raise Violation("liveness", f"never rests: {self.unfinished()}")
            world.invariants.at_rest()
            work = self._next_work()
            if work <= world.database.now or world.invariants.unshared() or world.invariants.unsettled():
                self._advance(self._next_time())
                continue
            left = self.unfinished()
            if not left:
                return
            if work > ends:
                raise Violation("liveness", f"did not drain: {left}")
            self._leap(work)

    def _leap(self, until: float) -> None:
        """Go on at a time before which relays would only renew their leases: so these are renewed."""
        database = self._world.database
        lanes = database.tables["lane"]
        more = max(0.0, until - database.now)
        lanes.update({number: {**lane, "until": lane["until"] + more} for number, lane in lanes.items()})
        self._advance(until)

    def unfinished(self) -> list[str]:
        """Return what is still to be done before this world is quiet."""
        world = self._world
        left = [f"{task.name} runs" for task in world.tasks if task.is_up]
        left += [f"queue {name} has {len(queue)}" for name, queue in world.broker.queues.items() if queue]
        left += [f"{one.owner.name} holds messages" for one in world.broker.connections if one.unacked or one.wire]
        return left or world.invariants.unfinished()

    def _next_work(self) -> float:
        """Return when somebody has something to do, if every sweep before that would find nothing; else 0."""
        world, now = self._world, self._world.database.now
        if world.tasks or world.broker.is_busy:
            return 0.0
        times = [world.timers[0][0]] if world.timers else []
        for one in world.named.values():
            if one.at[1] or one.alive is None or one.is_stopping:
                return 0.0
            if one.paused_until > now:
                times.append(one.paused_until)
        return min([*times, *self._unsent_times(), *self._waiting_times()], default=FOREVER)

    def _unsent_times(self) -> list[float]:
        rows = sorted(self._world.database.tables.get("outbox", {}).values(), key=lambda row: row["version"])
        held = {row["aggregate"]: row["version"] for row in reversed(rows) if row["parked"]}
        return [
            row["next_at"] for row in rows
            if row["sent_at"] is None and row["version"] < held.get(row["aggregate"], FOREVER)
        ]  # fmt: skip

    def _waiting_times(self) -> list[float]:
        tables = self._world.database.tables
        return [
            max(row["due"], row["marked_until"] or 0.0)
            for name in CONSUMERS
            for row in tables.get(f"inbox.{name}", {}).values()
            if row["state"] == "waiting" and row["due"] is not None
        ]

    def _step(self) -> bool:
        """Run somebody for a few steps; return False if everybody waits for the time."""
        world = self._world
        now = world.database.now
        # Most of a campaign's time goes by here: a call for each process would cost a tenth of it.
        ready = [
            one for one in world.everybody()
            if one.paused_until <= now
            and ((at := one.blocked) is None or (at <= now if type(at) is float else self._may_go_on(one)))
        ]  # fmt: skip
        if not ready:
            return False
        one = ready[int(world.random() * len(ready))]
        burst = 1 + int(world.random() * 4)
        while burst and self._run(one):
            burst -= 1
        world.database.now += 0.004
        return True

    def _may_go_on(self, one: Process) -> bool:
        """Return True if the transaction it waits for has ended, or the wait was too long."""
        waited = self._world.database.now - one.tx.touched_at if one.tx else FOREVER
        return not one.blocked.is_open or waited > LOCK_SECONDS  # type: ignore[union-attr]

    def _run(self, one: Process) -> bool:
        world = self._world
        world.steps += 1
        if one.alive is None:
            one.start()
        try:
            one.blocked = next(one.alive)  # type: ignore[arg-type]
        except StopIteration:
            one.is_up, one.alive, one.blocked = False, None, world.database.now + 0.5
            if one in world.tasks:
                world.tasks.remove(one)
            return False
        if one.doom:
            one.doom -= 1
            if not one.doom:
                meet(world, one)
                return False
        return one.blocked is None

    def _advance(self, until: float) -> None:
        world, database = self._world, self._world.database
        database.now = max(database.now, until)
        for tx in database.end_idle():
            tx.owner.blocked = None
        while world.timers and world.timers[0][0] <= database.now:
            heapq.heappop(world.timers)[2]()

    def _next_time(self) -> float:
        world, now = self._world, self._world.database.now
        times = [world.timers[0][0]] if world.timers else []
        for one in world.everybody():
            if type(blocked := one.blocked) is float:
                times.append(blocked if blocked > one.paused_until else one.paused_until)
            elif isinstance(one.blocked, Transaction) and one.tx:
                times.append(max(one.tx.touched_at + LOCK_SECONDS + 0.1, one.paused_until))
            else:
                times.append(one.paused_until)
        soonest = min((time for time in times if time > now), default=FOREVER)
        if soonest == FOREVER:
            raise Violation("liveness", f"everybody waits for ever: {self.unfinished()}")
        return soonest
