"""What each fault of a schedule does to a world when its step has come."""

from __future__ import annotations

from typing import Any

from .tasks import pruner

OWNERS_TABLES = ("outbox", "aggregate", "lane")


def strike(world: Any, fault: dict[str, Any]) -> None:
    """Do it."""
    world.say(f"-- {fault}")
    _FAULTS[fault["kind"]](world, fault)


def meet(world: Any, process: Any) -> None:
    """Do to a process what was in store for it at this effect."""
    fault = process.doomed_to
    if process.kind == "relay":
        world.invariants.on_trouble(world.database.now + (fault["seconds"] if fault["kind"] == "pause" else 0.0))
    world.say(f"-- {process.name} meets {fault}")
    if fault["kind"] == "crash":
        world.crash(process)
    elif fault["kind"] == "orphan":
        world.crash(process.parent)
    elif fault["kind"] == "pause":
        process.paused_until = world.database.now + fault["seconds"]
    elif process.tx is not None:
        world.database.kill(process.tx)
        process.wake()


def _crash(world: Any, fault: dict[str, Any]) -> None:
    process = _hurt(world, fault)
    world.crash(process)


def _pause(world: Any, fault: dict[str, Any]) -> None:
    process = _hurt(world, fault)
    # A zombie: it does not know that time has passed.
    process.paused_until = world.database.now + fault["seconds"]


def _stop_frozen(world: Any, fault: dict[str, Any]) -> None:
    """Stopped like a zombie, and asked to end meanwhile."""
    process = world.named[fault["who"]]
    process.paused_until = world.database.now + fault["seconds"]
    process.is_stopping = True


def _abort(world: Any, fault: dict[str, Any]) -> None:
    process = _hurt(world, fault)
    if process.tx is not None:
        world.database.kill(process.tx)
        process.wake()


def _uncertain(world: Any, fault: dict[str, Any]) -> None:
    _hurt(world, fault).loses_commit = True


def _hurt(world: Any, fault: dict[str, Any]) -> Any:
    process = world.named[fault["who"]]
    world.hurts += process.kind == "inbox"
    return process


def _database_away(world: Any, fault: dict[str, Any]) -> None:
    database = world.database
    world.hurts += 1
    database.is_up = False
    for tx in list(database.open):
        database.kill(tx)
        tx.owner.wake()
    world.at(fault["seconds"], lambda: setattr(database, "is_up", True))


def _broker_away(world: Any, fault: dict[str, Any]) -> None:
    world.broker.restart()

    def back() -> None:
        world.broker.is_up = True
        world.broker_task.wake()

    world.at(fault["seconds"], back)


def _broker_frozen(world: Any, fault: dict[str, Any]) -> None:
    """Stopped, with every connection open: publishers wait until their deadline."""
    world.broker_task.paused_until = world.database.now + fault["seconds"]


def _unbound(world: Any, fault: dict[str, Any]) -> None:
    world.broker.is_bound = False
    world.at(fault["seconds"], lambda: setattr(world.broker, "is_bound", True))


def _drop(world: Any, fault: dict[str, Any]) -> None:
    connections = world.broker.connections
    if connections:
        world.broker.close(connections[int(fault["pick"] * len(connections))])


def _lane_paused(world: Any, fault: dict[str, Any]) -> None:
    lanes = world.database.tables["lane"]
    chosen = list(lanes) if fault["pick"] < 0.4 else [int(fault["pick"] * 100) % len(lanes)]

    for number in chosen:
        # An operator's statement waits for the row's lock; here it comes when the row is free.
        if ("lane", number) not in world.database._locks:
            lanes[number] = {**lanes[number], "paused": True}
    world.at(fault["seconds"], lambda: world.resume_lanes(chosen))


def _fenced(world: Any, fault: dict[str, Any]) -> None:
    """What the discard of an event does to its lane: whoever holds it has to take it anew."""
    lanes = world.database.tables["lane"]
    number = int(fault["pick"] * 100) % len(lanes)
    if ("lane", number) not in world.database._locks:
        lanes[number] = {**lanes[number], "fence": lanes[number]["fence"] + 1}
        world.invariants.on_trouble(world.database.now)


def _backup(world: Any, fault: dict[str, Any]) -> None:
    world.backup = {name: dict(world.database.tables.get(name, {})) for name in OWNERS_TABLES}


def _restore(world: Any, fault: dict[str, Any]) -> None:
    """Put the owner's database back, as the runbook says: with every process of the owner stopped."""
    if world.backup is None:
        return
    for process in (*world.relays, *[task for task in world.tasks if task.name.startswith("writer")]):
        process.die()
        process.blocked = world.database.now + 0.5
    world.tasks = [task for task in world.tasks if not task.name.startswith("writer")]
    for name, rows in world.backup.items():
        world.database.tables[name] = dict(rows)
    world.backup = None
    world.generation += 1


def _duplicate(world: Any, fault: dict[str, Any]) -> None:
    sent = [row for one, row in world.database.rows(None, "outbox") if one in world.broker.accepted]
    if sent:
        world.broker.route(sent[int(fault["pick"] * len(sent))])


def _replay_log(world: Any, fault: dict[str, Any]) -> None:
    """Everything that was ever sent comes again, as after a restored broker."""
    for one, row in world.database.rows(None, "outbox"):
        if one in world.broker.accepted:
            world.broker.route(row)


def _delay(world: Any, fault: dict[str, Any]) -> None:
    world.broker.delay_until = world.database.now + fault["seconds"]


def _release(world: Any, fault: dict[str, Any]) -> None:
    """Everything that was delayed arrives at once."""
    world.broker.release()


def _lose(world: Any, fault: dict[str, Any]) -> None:
    name = "x" if fault["pick"] < 0.6 else "y"
    world.broker.lose(name, 1 + int(fault["pick"] * 10) % 3)


def _prune(world: Any, fault: dict[str, Any]) -> None:
    world.add_task(pruner(world, "x" if fault["pick"] < 0.6 else "y"))


def _stop(world: Any, fault: dict[str, Any]) -> None:
    """A graceful stop, as in a deploy: of a rolling one, with the new code after it."""
    everybody = list(world.named.values())
    process = everybody[int(fault["pick"] * len(everybody))]
    if process.kind == "inbox":
        world.is_new[process.name] = True
    world.finish(process)


_FAULTS = {
    "crash": _crash, "pause": _pause, "abort": _abort, "uncertain": _uncertain, "stop_frozen": _stop_frozen,
    "database_away": _database_away, "lane_paused": _lane_paused, "backup": _backup, "restore": _restore,
    "broker_away": _broker_away, "broker_frozen": _broker_frozen, "unbound": _unbound, "drop": _drop,
    "fenced": _fenced, "duplicate": _duplicate, "replay_log": _replay_log, "delay": _delay,
    "release": _release, "lose": _lose, "prune": _prune, "stop": _stop,
}  # fmt: skip
