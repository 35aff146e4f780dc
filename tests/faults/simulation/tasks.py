"""What runs once: a writer's command, retention, and an operator's replay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .database import Deadlock, Gone, LockTimeout, Step
from .processes import Process
from .schedule import Write, lane_of


class Task(Process):
    """A process that does one thing and ends."""

    kind = "task"

    def __init__(self, world: Any, name: str, work: Callable[..., Step]) -> None:
        super().__init__(world, name, 1.0)
        self._work = work

    def reset(self) -> None:
        """Nothing to forget."""

    def disconnect(self) -> None:
        """Nothing to close."""

    def life(self) -> Step:
        """Do it; a task that loses its database is not tried again here."""
        if self.name == "broker":
            yield from self._work()
        try:
            yield from self._work(self)
        except (Gone, Deadlock, LockTimeout):
            self.abandon()


def writer(world: Any, write: Write) -> Task:
    """Return a command: the aggregate's row is locked, its event appended, and all of it commits or nothing (I4)."""

    def work(task: Task) -> Step:
        db = world.database
        tx = task.begin()
        yield from db.lock(tx, "aggregate", write.aggregate)
        row = db.get(tx, "aggregate", write.aggregate)
        version = (row["version"] if row else 0) + 1
        # Drawn before the commit: a later number may commit first.
        number = next(world.numbers)
        one = f"{write.aggregate}{version}" + "'" * world.generation
        for _ in range(int(world.random() * 5)):
            yield None
        lane = lane_of(write.aggregate, world.schedule.lanes)
        event = {"id": one, "seq": number, "lane": lane, "aggregate": write.aggregate, "version": version,
                 "type": write.type}  # fmt: skip
        trouble = {"attempts": 0, "next_at": 0.0, "parked": False, "sent_at": None, "reason": ""}
        db.put(tx, "outbox", one, {**event, **trouble})
        yield None
        db.put(tx, "aggregate", write.aggregate, {"version": version})
        if write.rolls_back:
            task.rollback()
            return
        world.messages.decide(write, one)
        task.commit()
        world.wake_relays()

    return Task(world, f"writer of {write.aggregate}", work)


def pruner(world: Any, consumer: str) -> Task:
    """Return one run of retention."""
    world.has_pruned = True
    return Task(world, f"retention of {consumer}", world.inbox_statements[consumer].prune)


def operator(world: Any) -> list[Task]:
    """Return a replay of each dead letter, twice, as people do, and a second publish of what a broker has lost."""
    jobs: list[Task] = []
    for key, row in world.database.rows(None, "outbox"):
        if row["parked"]:
            jobs.append(_replay(world, world.statements_of_relay(), key, 0.0))
    for consumer, statements in world.inbox_statements.items():
        for key, row in world.database.rows(None, f"inbox.{consumer}"):
            if row["state"] == "parked" and row["message"].type != world.parts.received.FORKED:
                jobs += [_replay(world, statements, key, seconds) for seconds in (0.0, 4 * world.random())]
    if world.broker.lost:
        jobs.append(Task(world, "publishing again", lambda task: _publish_again(world)))
    return jobs


def _replay(world: Any, statements: Any, key: Any, seconds: float) -> Task:
    def work(task: Task) -> Step:
        ends = task.after(seconds)
        while world.database.now < ends:
            yield ends
        yield from statements.replay(task, key)

    return Task(world, f"replay of {key}", work)


def _publish_again(world: Any) -> Step:
    outbox = world.database.tables["outbox"]
    for consumer, one in sorted(world.broker.lost):
        yield None
        if one in outbox:
            world.broker.route(outbox[one])
        world.broker.lost.discard((consumer, one))
