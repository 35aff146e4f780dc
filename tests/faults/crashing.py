"""F01: kill -9 at each named point, again and again under load; whoever died is started again.

May touch: processes of the house it is given, and their triggers.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from bff_app.management.shop import UnexpectedReply, eventually
from fissile.crash_points import POINTS
from fissile.testing import crashes
from tests.house import RunningHouse

from .clients import Tide, shopping, warm_up
from .ground import Ground
from .journal import Journal

# All processes die again and again, so that work is slow to come.
HIT_SECONDS = 90.0
# Passed by workers as well, when a handler's unit of work joins the inbox's transaction.
_IN_BOTH = ("outbox.written", "domain.written", "unit.after_commit")
_TOLD = "SELECT count(*) FROM orders_outbox"
GATHERED = 6
# Threads that outlive a run: a process of a house ends with the thread that started it (PR_SET_PDEATHSIG).
_HANDS = ThreadPoolExecutor(8)


def victims(house: RunningHouse, point: str) -> list[str]:
    """Return the processes that pass a point under this workload, web first."""
    webs = [house.holder("orders", "web")]
    told = ["orders", "payments"]
    if point.startswith("relay."):
        return sorted({house.holder(context, "worker") for context in told})
    hearing = sorted({house.holder(context, "worker") for context in ("bff", *told)})
    if point.startswith("consumer."):
        return hearing
    return [*webs, *sorted({house.holder(context, "worker") for context in told})] if point in _IN_BOTH else webs


def kill_at_points(ground: Ground, *, points: Sequence[str] = POINTS, kills: int = 1) -> None:
    """Kill each process at each point that it passes, `kills` times, all processes at once, while clients shop.

    A point that nobody came to is noted as I0: not tested.
    """
    house, journal = ground.house, ground.journal
    theirs: dict[str, list[str]] = {}
    for point in points:
        for victim in victims(house, point):
            theirs.setdefault(victim, []).append(point)
    with shopping(house, journal, ground.seed, pause=Tide(house)):
        warm_up(journal)
        all_done = [
            _HANDS.submit(_kill_again_and_again, ground, victim, passed, kills) for victim, passed in theirs.items()
        ]
        wait(all_done)
        for done in all_done:
            done.result()


def _kill_again_and_again(ground: Ground, victim: str, points: Sequence[str], kills: int) -> None:
    rng = random.Random(f"{ground.seed}/{victim}")
    for _ in range(kills):
        for point in rng.sample(points, len(points)):
            _kill(ground.house, ground.journal, point, victim, rng.randint(1, 3))


def _kill(house: RunningHouse, journal: Journal, point: str, victim: str, passes: int) -> None:
    trigger = house.trigger(victim)
    if point == "relay.mid_batch":
        _let_work_gather(house, victim)
        passes = 1
    crashes.arm(trigger, point, passes)
    try:
        eventually(lambda: crashes.is_hit(trigger), within_seconds=HIT_SECONDS, what=f"{victim} reaches {point}")
    except UnexpectedReply as late:
        if crashes.disarm(trigger):
            journal.wrongs.append(("I0", str(late)))
            return
    revive(house, victim)
    journal.fault(f"{point} {victim}")


def _let_work_gather(house: RunningHouse, worker: str) -> None:
    """Have a worker begin with some rows at once: a batch of one has no middle."""
    house.processes.stop(worker)
    # Orders' own finds them in its outbox; payments' in its queue, and makes events of its own from them.
    (before,) = house.rows("orders", _TOLD)[0]
    eventually(
        lambda: house.rows("orders", _TOLD)[0][0] > before + GATHERED,
        within_seconds=HIT_SECONDS,
        what=f"{GATHERED} events for {worker} to begin with",
    )
    house.processes.start(worker)


def revive(house: RunningHouse, victim: str) -> None:
    """Start a worker that died; a web process has a master that does."""
    if victim in house.named("*worker*"):
        eventually(lambda: not house.processes.is_running(victim), within_seconds=60, what=f"{victim} is gone")
        house.processes.start(victim)
    else:
        house.processes.wait_ready(victim)
