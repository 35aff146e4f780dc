"""A schedule: who writes what when, which message is bad, which fault strikes when. All of it follows from one seed.

It is plain data, so that a failing one can be made smaller and written down.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

AGGREGATES = ("a", "b", "c")
CONSUMERS = ("x", "y")
INBOXES = ("x0", "x1", "y0")
RELAYS = ("relay0", "relay1", "relay2")
# One for all aggregates, one for some of them, or more than there are relays.
LANES = (1, 2, 4, 4)
STEPS = 320
VERSIONS = 4
# Faults that may cost a started attempt: fewer than the attempts of a message, so that
# whatever is parked was parked for its own fault.
HURTS = 3
FATES = ("raise", "raise", "flaky", "flaky", "kill", "busy", "slow", "hang")
PUBLISH_FATES = ("nacked", "closes", "unencodable")
ON_ANYBODY = ("crash", "pause", "abort", "uncertain", "crash", "pause", "stop_frozen")
ON_SERVERS = ("database_away", "broker_away", "broker_frozen", "unbound", "drop", "drop", "lane_paused", "backup")
ON_MESSAGES = ("duplicate", "replay_log", "delay", "lose", "prune", "prune", "stop")


@dataclass(kw_only=True)
class Write:
    """A change of one aggregate at a step, and the fate of its event."""

    step: int
    aggregate: str
    type: str = "t1"
    rolls_back: bool = False
    at_publish: str = ""
    is_unstorable: bool = False
    is_unreadable: bool = False
    fates: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Schedule:
    """Everything that is decided before the first step; `seed` also drives who runs when."""

    seed: int
    writes: list[Write]
    faults: list[dict[str, Any]]
    shares_rows: bool = False
    is_rolling: bool = False
    # The last relay wants lanes only while no other one has any.
    has_standby: bool = False
    # Whoever gets a killed process's message on the same machine can see that its handler had begun.
    shares_machine: bool = False
    lanes: int = 1
    steps: int = STEPS

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, line: str) -> Schedule:
        """Read such a line."""
        fields = json.loads(line)
        return cls(**{**fields, "writes": [Write(**one) for one in fields["writes"]]})


def lane_of(aggregate: str, lanes: int) -> int:
    """Return the lane of an aggregate, where there are so many."""
    return (AGGREGATES.index(aggregate) + 1) % lanes


def schedule_of(seed: int, pairs: Sequence[tuple[str, str, str]] = ()) -> Schedule:
    """Return the schedule of a seed; every second one also strikes at one of `pairs`, each in its turn."""
    rng = random.Random(seed)
    aim = pairs[(seed // 2) % len(pairs)] if pairs and seed % 2 else None
    schedule = Schedule(
        seed=seed,
        writes=_writes(rng, aim),
        faults=_faults(rng, aim),
        shares_rows=rng.random() < 0.25,
        is_rolling=rng.random() < 0.2,
        has_standby=rng.random() < 0.2,
        lanes=rng.choice(LANES),
    )
    # Nobody asks for the only lane, and so a relay that stands by would keep it.
    schedule.has_standby &= schedule.lanes > 1
    if aim and (aim[0] == "isolated" or aim[2] == "Isolate"):
        _suspects(rng, schedule, aim)
    elif rng.random() < 0.1 or (aim and aim[1:] == ("mark", "Rollback")):
        _crowd(rng, schedule, with_trouble=aim is not None)
    elif rng.random() < 0.05:
        _unheard(rng, schedule)
    elif rng.random() < 0.05:
        _late(rng, schedule)
    elif rng.random() < 0.05:
        _heir(rng, schedule)
    elif rng.random() < 0.05:
        _overtaken(rng, schedule)
    elif rng.random() < 0.05:
        _behind_trouble(rng, schedule)
    elif aim is None and rng.random() < 0.2:
        _backlog(rng, schedule)
    schedule.shares_machine = random.Random(f"machine {seed}").random() < 0.5
    schedule.faults.sort(key=lambda fault: fault["step"])
    schedule.writes.sort(key=lambda write: write.step)
    return schedule


def _crowd(rng: random.Random, schedule: Schedule, *, with_trouble: bool) -> None:
    """All messages arrive at once and twice, so that two processes want the same rows at the same time."""
    schedule.faults.append({"step": 0, "kind": "delay", "seconds": 100.0})
    schedule.faults.append({"step": 120, "kind": "release"})
    schedule.faults += [{"step": rng.randrange(50, 120), "kind": "replay_log"} for _ in range(3)]
    if not with_trouble:
        # A hiccup between two locks: each process gets one of the aggregates that both want.
        schedule.faults = [fault for fault in schedule.faults if fault["kind"] in ("delay", "replay_log", "release")]
        schedule.faults.append(
            {"step": 0, "kind": "pause", "pair": ["inbox", "fast", "Lock"], "nth": rng.randint(1, 3),
             "delay": rng.randint(1, 2), "seconds": rng.choice((0.02, 0.04, 0.08))}
        )  # fmt: skip
    schedule.writes = [Write(step=0, aggregate=name) for name in rng.sample(AGGREGATES, rng.randint(2, 3))]
    for write in schedule.writes:
        write.fates = {"x": rng.choice(("slow", "flaky", "busy"))} if with_trouble else {}


def _suspects(rng: random.Random, schedule: Schedule, aim: tuple[str, str, str]) -> None:
    """A run never comes back: its message kills, or its worker is killed at it. So it gets a process of its own."""
    _, state, effect = aim
    is_judged = state == "fail" or effect in ("Park", "Retry", "Commit")
    fate = "flaky" if state == "ran" else "raise" if is_judged else "kill"
    schedule.writes = [Write(step=0, aggregate="a", fates={"x": fate})]
    # Only with another one behind it is an aggregate handed over in mid-list.
    schedule.writes.append(Write(step=1, aggregate="b", fates={"x": "kill"} if state == "mark" else {}))
    for _ in range(rng.randint(0, 3)):
        schedule.writes.append(Write(step=rng.randrange(2, 200), aggregate=rng.choice(AGGREGATES)))
    (aimed,) = [fault for fault in schedule.faults if fault.get("pair") == list(aim)]
    aimed |= {"nth": 1, "delay": max(0, aimed["delay"] - 3), "kind": rng.choice(("crash", "crash", aimed["kind"]))}
    schedule.faults, schedule.is_rolling = [aimed], False
    if fate != "kill":
        # The child's verdict is the last one if the worker had given all but that.
        schedule.faults.append(_armed("crash", "inbox ran Handle", nth=4 if effect == "Park" else 1))
    if (state, effect) == ("mark", "Isolate"):
        # Both workers are away until both messages have waited for longer than their leases.
        schedule.faults += [_armed("pause", "inbox idle Isolate", seconds=20.0) for _ in range(2)]
    if effect == "Disconnect":
        schedule.faults.append(_armed("abort", "isolated mark Lock"))
    if (state, effect) == ("idle", "Rollback"):
        # Each worker starts a child for it; one of them keeps the lock from the other.
        schedule.faults.append(_armed("pause", "isolated marked Mark"))
    elif rng.random() < 0.4:
        schedule.faults.append(_armed("orphan", f"isolated {rng.choice(('mark Lock', 'run Begin', 'run Lock'))}"))


def _armed(kind: str, pair: str, nth: int = 1, seconds: float = 4.0) -> dict[str, Any]:
    return {"step": 0, "kind": kind, "pair": pair.split(), "nth": nth, "delay": 0, "seconds": seconds}


def _late(rng: random.Random, schedule: Schedule) -> None:
    """A process stores what it read as new, while another applies it and retention takes the row."""
    schedule.faults = [{"step": 0, "kind": "pause", "pair": ["inbox", "store", "Store"], "nth": 1,
                        "delay": rng.randint(2, 4), "seconds": 2.5}]  # fmt: skip
    for _ in range(3):
        step = rng.randrange(20, 200)
        schedule.faults += [{"step": step + more, "kind": "drop", "pick": rng.random()} for more in (0, 3, 6)]
        schedule.faults.append({"step": step, "kind": "replay_log"})
    schedule.faults += [{"step": rng.randrange(40, 260), "kind": "prune", "pick": 0.0} for _ in range(8)]


def _heir(rng: random.Random, schedule: Schedule) -> None:
    """A process stands still before its marked run, until others have run it and died at the next one, marked too.

    Or around its mark, until another one, whose database was busy, has given the attempt back.
    """
    if rng.random() < 0.5:
        schedule.faults = [{"step": 0, "kind": "pause", "pair": ["inbox", "mark", "Lock"], "nth": 1,
                            "delay": rng.randint(2, 6), "seconds": rng.uniform(10.5, 18.0)}]  # fmt: skip
        schedule.writes = [Write(step=0, aggregate="c", fates={"x": "busy"}), Write(step=80, aggregate="b")]
        return
    schedule.faults = [{"step": 0, "kind": "pause", "pair": ["inbox", "run", "Begin"], "nth": 1, "delay": 0,
                        "seconds": rng.uniform(10.5, 18.0)}]  # fmt: skip
    first, second = (
        Write(step=0, aggregate="a", fates={"x": "flaky"}),
        Write(step=1, aggregate="a", fates={"x": "kill"}),
    )
    schedule.writes = [first, second]


def _overtaken(rng: random.Random, schedule: Schedule) -> None:
    """A relay stands still with a batch of many lanes, until others have some of them; or it looks, and comes late."""
    schedule.lanes, schedule.has_standby = 4, False
    late = ["relay", "busy", "Settle"], (4.5, 7.5)
    pair, seconds = rng.choice((late, (["relay", "sharing", "Acquire"], (0.5, 2.5))))
    schedule.faults = [{"step": 0, "kind": "pause", "pair": pair, "nth": rng.randint(1, 3), "delay": 0,
                        "seconds": rng.uniform(*seconds)}]  # fmt: skip
    if pair[2] == "Settle":
        step, who = rng.randrange(10, 80), rng.choice(RELAYS)
        schedule.faults.append({"step": step, "kind": "pause", "who": who, "seconds": rng.choice((3.0, 8.0))})
    else:
        schedule.faults += [{"step": step, "kind": "lane_paused", "pick": rng.random(), "seconds": 4.0}
                            for step in range(rng.randrange(2, 12), 60, 12)]  # fmt: skip
    schedule.writes = [Write(step=step, aggregate=name) for step in (0, 40, 80, 120) for name in AGGREGATES]


def _behind_trouble(rng: random.Random, schedule: Schedule) -> None:
    """While an event is parked, others are written at the same time, and commit in another order than they began."""
    schedule.lanes, schedule.has_standby, schedule.faults = 1, False, []
    schedule.writes = [Write(step=0, aggregate="c", at_publish=rng.choice(PUBLISH_FATES))]
    for step in sorted(rng.sample(range(60, 220), 4)):
        schedule.writes += [Write(step=step, aggregate=name) for name in "ab"]


def _backlog(rng: random.Random, schedule: Schedule) -> None:
    """One relay has many events at once: with a batch in flight and the next one read, something happens to it."""
    schedule.lanes, schedule.has_standby = rng.choice(LANES), False
    others = [{"step": 0, "kind": "pause", "who": name, "seconds": 9.0} for name in RELAYS[1:]]
    begins = rng.randrange(20, 50)
    schedule.faults = [*others, {"step": begins, "kind": "pause", "who": RELAYS[0], "seconds": 0.5}]
    schedule.writes = [Write(step=begins + 1, aggregate=name) for name in AGGREGATES for _ in range(VERSIONS)]
    for kind in rng.choice((("drop",), ("fenced",), ("drop", "fenced"))):
        schedule.faults += [{"step": begins + rng.randrange(15, 120), "kind": kind, "pick": rng.random()}
                            for _ in range(4)]  # fmt: skip
    if rng.random() < 0.5:
        pair = ["relay", "publishing", rng.choice(("Claim", "Settle", "Await"))]
        schedule.faults.append({"step": 0, "kind": "pause", "pair": pair, "nth": rng.randint(1, 3),
                                "delay": rng.randint(0, 2), "seconds": rng.uniform(0.5, 7.5)})  # fmt: skip
    if rng.random() < 0.3:
        rng.choice(schedule.writes).at_publish = rng.choice(PUBLISH_FATES)


def _unheard(rng: random.Random, schedule: Schedule) -> None:
    """Two events of one aggregate are bad, and when the last attempt comes, nobody is bound."""
    schedule.faults.append({"step": rng.randrange(40, 140), "kind": "unbound", "seconds": 15.0})
    for bad in ("nacked", "unencodable"):
        schedule.writes.append(Write(step=0, aggregate="c", at_publish=bad))


def _writes(rng: random.Random, aim: tuple[str, str, str] | None) -> list[Write]:
    writes = []
    for aggregate in AGGREGATES[: rng.randint(1, 3)]:
        for _ in range(rng.randint(1, VERSIONS)):
            write = Write(step=rng.randrange(STEPS * 2 // 3), aggregate=aggregate)
            writes.append(write)
            write.type = "t2" if rng.random() < 0.3 else "t1"
            write.rolls_back = rng.random() < 0.1
            if rng.random() < 0.06:
                write.at_publish = rng.choice(PUBLISH_FATES)
            write.is_unstorable = rng.random() < 0.02
            write.is_unreadable = rng.random() < 0.02
            write.fates = {name: rng.choice(FATES) for name in CONSUMERS if rng.random() < 0.09}
    if aim and aim[1] in ("ran", "fail", "done", "mark", "marked", "run"):
        # These states are rare without somebody who fails, or is slow.
        usual = {"Park": ("raise",)}.get(aim[2], ("raise", "busy", "flaky"))
        for write in rng.sample(writes, min(2, len(writes))):
            write.fates["x"] = rng.choice(usual)
    if aim and aim[1] == "alone":
        rng.choice(writes).is_unstorable = True
    return writes


def _faults(rng: random.Random, aim: tuple[str, str, str] | None) -> list[dict[str, Any]]:
    faults: list[dict[str, Any]] = []
    hurts = HURTS
    if aim:
        kind, nth = rng.choice(("crash", "crash", "crash", "pause", "pause", "abort")), 1 + int(rng.expovariate(0.9))
        delay = rng.randint(0, 4)
        if aim[2] in ("Park", "Disconnect") or aim[1:] == ("mark", "Rollback"):
            # Rare and short: struck the first time, and mostly at once.
            nth, delay = 1, max(0, delay - 3)
            for _ in range(4):
                step = rng.randrange(10, STEPS)
                faults.append({"step": step, "kind": "drop", "pick": rng.random()})
                if aim[1] == "free":
                    faults.append({"step": step, "kind": "pause", "who": rng.choice(RELAYS), "seconds": 8.0})
        if aim == ("inbox", "idle", "Disconnect"):
            faults.append(_armed("abort", "inbox fast Lock"))
        if aim[1:] == ("publishing", "GiveBack"):
            # Lanes must change hands while events wait: somebody is gone, and comes back.
            kind, nth, delay = "crash", 1, 0
            faults += [{"step": step, "kind": "crash", "who": rng.choice(RELAYS)} for step in range(30, STEPS, 40)]
        if aim[1:] == ("free", "GiveBack"):
            # Whoever gives back the last lane it has: all of them are paused.
            kind, nth, delay = "crash", 1, 0
            faults += [{"step": step, "kind": "lane_paused", "pick": 0.1, "seconds": 4.0} for step in (40, 120, 200)]
        seconds = rng.choice((6.0, 12.0, 20.0))
        faults.append({"step": 0, "kind": kind, "pair": list(aim), "nth": nth, "delay": delay, "seconds": seconds})
        hurts -= aim[0] != "relay"
    for _ in range(rng.randint(0, 6)):
        step = rng.randrange(10, STEPS)
        kinds = rng.choice((ON_ANYBODY, ON_ANYBODY, ON_SERVERS, ON_MESSAGES))
        fault: dict[str, Any] = {"step": step, "kind": rng.choice(kinds)}
        if fault["kind"] in ON_ANYBODY:
            fault["who"] = rng.choice(RELAYS if hurts <= 0 or rng.random() < 0.4 else INBOXES)
            hurts -= fault["who"] in INBOXES
            fault["seconds"] = rng.choice((0.5, 3.0, 8.0, 20.0, 40.0))
        elif fault["kind"] == "database_away":
            if hurts <= 0:
                continue
            hurts -= 1
        elif fault["kind"] == "backup":
            faults.append({"step": min(STEPS - 1, step + rng.randint(10, 120)), "kind": "restore"})
        fault.setdefault("seconds", rng.choice((0.3, 1.0, 4.0, 9.0)))
        fault["pick"] = rng.random()
        faults.append(fault)
    return faults
