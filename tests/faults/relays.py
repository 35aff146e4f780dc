"""F02 and F28: processes that sleep past their lease and wake, and the same worker started three times.

May touch: processes of the house it is given, further workers of its own for the same stores.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from bff_app.management.shop import UnexpectedReply, eventually
from fissile.testing import crashes
from tests.proofs.scene import ShopScene

from .clients import Pace, more_orders, shopping, warm_up
from .ground import Ground, noted

ORDERS_A_SECOND = 8.0
# No transaction is open at these, so no lock of an SQLite file is taken to bed; `ShopScene.paused` sees to the rest.
ASLEEP_AT = ("relay.claimed", "relay.confirmed_unmarked", "consumer.received", "consumer.committed_unacked")
WEB_ASLEEP_AT = "unit.after_commit"
HIT_SECONDS = 40.0
TAKEN_OVER_SECONDS = 40.0
# Without a kill, a cut or a sleep there is no reason to publish twice; a lease that ran out on a busy machine is one.
PUBLISHED_TWICE = 0.05
_OWNERS = "SELECT owner, count(*) FROM orders_lane WHERE lease_until > CURRENT_TIMESTAMP AND owner <> '' GROUP BY owner"
_FENCED = "lost its lease"


def sleepers(ground: Ground, *, lengths: Sequence[float]) -> None:
    """F02: orders' worker, beside a second one, sleeps at each point past its lease; a web process sleeps as well.

    `lengths`: in seconds, one round of sleeps each.
    """
    house, journal = ground.house, ground.journal
    worker, web = house.holder("orders", "worker"), house.holder("orders", "web")
    slept: list[float] = []
    with (
        _further_workers(ground, worker, 1) as scene,
        shopping(house, journal, ground.seed, pause=Pace(ORDERS_A_SECOND)),
    ):
        warm_up(journal)
        for seconds in lengths:
            for point in ASLEEP_AT:
                with noted(ground):
                    slept.append(_sleep(ground, scene, worker, point, seconds))
            with noted(ground):
                slept.append(_sleep_of_a_web(ground, scene, web, seconds))
        more_orders(journal, 10, within_seconds=60, when="after the last has woken")
    journal.figures["slept_seconds"] = [round(one, 1) for one in slept]


def together(ground: Ground, *, workers: int, orders: int) -> None:
    """F28: the same worker runs several times: their relays share the lanes, one owner each."""
    house, journal = ground.house, ground.journal
    owners: set[str] = set()
    with (
        _further_workers(ground, house.holder("orders", "worker"), workers - 1),
        shopping(house, journal, ground.seed, pause=Pace(ORDERS_A_SECOND)),
    ):
        warm_up(journal)
        with noted(ground):
            eventually(
                lambda: len(_holders(ground)) == workers, within_seconds=60, what=f"{workers} relays share the lanes"
            )
            owners |= set(_holders(ground))
        journal.fault(f"started-again {workers - 1} workers more")
        more_orders(journal, orders, within_seconds=300, when=f"with {workers} workers")
    with noted(ground):
        house.wait_quiet(seconds=60)
    ground.taps.listen(quiet_seconds=2.0)
    heard = ground.taps.ids
    twice = sum(times > 1 for times in heard.values())
    if twice > PUBLISHED_TWICE * len(heard):
        journal.wrongs.append(("I10", f"{twice} of {len(heard)} events were published again, and nothing had failed"))
    journal.figures["together"] = {"workers": workers, "relays_with_lanes": len(owners), "published_again": twice}


@contextmanager
def _further_workers(ground: Ground, worker: str, number: int) -> Iterator[ShopScene]:
    """Run so many more of the same worker, with the same patches of the control; stop them politely afterwards."""
    house = ground.house
    scene = ShopScene(url=house.url, topology=house.topology, tier=house.tier, running=house, patches=ground.patches)
    with ExitStack() as stack:
        for _ in range(number):
            stack.enter_context(scene.running_also(scene.row(worker)))
        yield scene


def _sleep(ground: Ground, scene: ShopScene, worker: str, point: str, seconds: float) -> float:
    """Stop a worker at a point until another relay has its lanes, and so long at least; wake it; return the seconds.

    It must find out by itself that it holds nothing any more. Raise UnexpectedReply.
    """
    house = ground.house
    mine = f":{house.processes.pid(worker)}:"
    eventually(lambda: _holds(ground, mine), within_seconds=HIT_SECONDS, what=f"{worker} holds a lane")
    # Before the stop: a sleeper with an SQLite file's lock is let go on for a moment, and may learn of it then.
    told = _times_fenced(ground, worker)
    _stop_at(ground, worker, point)
    began = time.monotonic()
    with scene.paused(worker):
        eventually(
            lambda: not _holds(ground, mine), within_seconds=TAKEN_OVER_SECONDS, what=f"another has {worker}'s lanes"
        )
        # How long it sleeps is the fault itself; nothing is asked of this time.
        time.sleep(max(0.0, began + seconds - time.monotonic()))
        slept = time.monotonic() - began
    ground.journal.fault(f"slept-at:{point} {worker}")
    eventually(
        lambda: _times_fenced(ground, worker) > told,
        within_seconds=HIT_SECONDS,
        what=f"{worker} sees that it is fenced",
    )
    return slept


def _sleep_of_a_web(ground: Ground, scene: ShopScene, web: str, seconds: float) -> float:
    """Stop a web process with an answer in hand; clients wait or try again, under the same key."""
    _stop_at(ground, web, WEB_ASLEEP_AT)
    began = time.monotonic()
    with scene.paused(web):
        time.sleep(seconds)
        slept = time.monotonic() - began
    ground.journal.fault(f"slept-at:{WEB_ASLEEP_AT} {web}")
    more_orders(ground.journal, 3, within_seconds=60, when=f"after {web} has woken")
    return slept


def _stop_at(ground: Ground, name: str, point: str) -> None:
    trigger = ground.house.trigger(name)
    crashes.arm(trigger, point)
    try:
        eventually(lambda: crashes.is_hit(trigger), within_seconds=HIT_SECONDS, what=f"{name} reaches {point}")
    except UnexpectedReply:
        crashes.disarm(trigger)
        raise


def _holders(ground: Ground) -> dict[str, int]:
    return dict(ground.house.rows("orders", _OWNERS))


def _holds(ground: Ground, mine: str) -> bool:
    return any(mine in owner for owner in _holders(ground))


def _times_fenced(ground: Ground, worker: str) -> int:
    return ground.house.processes.log(worker, last=10**8).count(_FENCED)
