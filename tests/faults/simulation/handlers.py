"""Handlers of the two consumers: each writes rows in the inbox's transaction, or meets its message's fate."""

from __future__ import annotations

from collections import Counter
from typing import Any
from zlib import crc32

from .database import Step
from .invariants import KILLERS
from .processes import FOREVER, HandlerRaised

# More than a message has attempts: a busy database must cost none of them.
BUSY_TIMES = 7
HANDLES = {"x": frozenset({"t1", "t2"}), "y": frozenset({"t1"})}
HANDLED_BEFORE = {"x": frozenset({"t1"}), "y": frozenset({"t1"})}


class Handlers:
    """Runs handlers. `effect` rows say what they did, `ledger` rows what the inbox counts as applied."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self._busy: Counter[tuple[str, str]] = Counter()

    def types_of(self, process: Any) -> frozenset[str]:
        """Return the types that this process's version of the code handles."""
        return (HANDLES if self._world.is_new[process.deployed_as] else HANDLED_BEFORE)[process.consumer]

    def must_handle(self, consumer: str, message_id: str) -> bool:
        """True if both the old and the new code handle this message."""
        is_rolling = self._world.schedule.is_rolling
        return self._world.messages.type_of(message_id) in (HANDLED_BEFORE if is_rolling else HANDLES)[consumer]

    def note(self, process: Any, outcomes: dict[Any, str]) -> None:
        """Note, in the transaction, what was applied as what."""
        database, table = self._world.database, f"ledger.{process.consumer}"
        for message, outcome in outcomes.items():
            row = database.get(process.tx, table, message.aggregate) or {"entries": ()}
            entry = (message.version, message.id, outcome)
            database.put(process.tx, table, message.aggregate, {"entries": (*row["entries"], entry)})

    def run(self, process: Any, message: Any) -> Step:
        """Do a handler's work, early or late in which it may fail."""
        world, name, table = self._world, process.consumer, f"effect.{process.consumer}"
        db = world.database
        if not process.tx.was_killed:
            world.invariants.on_handle(name, message, process.machine.doing == "ran")
        world.invariants.on_begin(process, message)
        if process.kind == "isolated":
            world.invariants.on_run_alone(process, message)
        if world.schedule.shares_rows:
            yield from db.lock(process.tx, "shared", (name, crc32(message.id.encode()) % 2))
        fate, is_late = world.messages.fates.get((name, message.id), ""), world.random() < 0.5
        if fate and not is_late:
            yield from self._suffer(process, message, fate)
        db.check(process.tx)
        yield from db.lock(process.tx, table, message.aggregate)
        row = db.get(process.tx, table, message.aggregate) or {"ids": ()}
        yield None
        db.put(process.tx, table, message.aggregate, {"ids": (*row["ids"], message.id)})
        if fate and is_late:
            yield from self._suffer(process, message, fate)
            db.check(process.tx)

    def _suffer(self, process: Any, message: Any, fate: str) -> Step:
        world, key = self._world, (process.consumer, message.id)
        if fate in KILLERS:
            yield from self._never_return(process, message, fate)
        if fate == "slow":
            ends = world.database.now + 0.5 + 4 * world.random()
            while world.database.now < ends:
                yield ends
        if fate == "busy" and self._busy[key] < BUSY_TIMES:
            self._busy[key] += 1
            raise HandlerRaised("busy", is_transient=True)
        if fate == "flaky":
            # A zombie may run it, too, and have taken the fate with it.
            world.messages.fates.pop(key, None)
        if fate in ("raise", "flaky"):
            world.invariants.on_strike(process.consumer, message)
            raise HandlerRaised("no")

    def _never_return(self, process: Any, message: Any, fate: str) -> Step:
        world = self._world
        world.invariants.on_strike(process.consumer, message)
        world.say(f"{process.name}: {message.id} {fate}s")
        if fate == "kill":
            process.doom, process.doomed_to = 1, {"kind": "crash"}
        else:
            process.hangs()
        while True:
            yield FOREVER
