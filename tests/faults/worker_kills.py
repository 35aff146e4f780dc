"""F03: kill -9 processes again and again under load, workers while they have work in hand.

May touch: processes of the house it is given. By hand: `python -m tests.faults F03 --topology split --tier real`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.house import RunningHouse

from .clients import CLIENTS, shop_until
from .ground import Ground
from .journal import Journal
from .shown import wrongly_shown

PENDING = "SELECT count(*) FROM orders_outbox WHERE sent_at IS NULL"
LEASE = "SELECT coalesce(max(fence), 0), max(owner) FROM orders_lane WHERE lease_until > CURRENT_TIMESTAMP"
# Slow enough that the kills catch up, fast enough that there is always work in hand.
TRICKLE_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How much of both a run needs; orders wait for kills, so that the kills spread over all of them."""

    orders: int
    kills: int
    give_up: float

    def is_met(self, journal: Journal) -> bool:
        """True when enough was accepted and killed, or the time is up."""
        enough = len(journal.accepted) >= self.orders and len(journal.kills) >= self.kills
        return enough or time.monotonic() > self.give_up

    def pause_seconds(self, journal: Journal) -> float:
        """Return how long a client waits: not at all until this share of the orders should have seen one more kill."""
        is_ahead = len(journal.accepted) > self.orders * (len(journal.kills) + 1) / max(1, self.kills)
        return TRICKLE_SECONDS if is_ahead else 0.0


def kill_while_working(
    house: RunningHouse, journal: Journal, wanted: Wanted, rng: random.Random, victims: Sequence[str]
) -> None:
    """Kill -9 one of `victims` again and again, each time while a relay holds orders' lanes and rows are pending."""
    fence = 0
    while len(journal.kills) < wanted.kills and time.monotonic() < wanted.give_up:
        (holder,) = house.rows("orders", LEASE)
        (pending,) = house.rows("orders", PENDING)[0]
        if not pending or holder[0] <= fence or not holder[1]:
            time.sleep(0.002)
            continue
        victim = rng.choice(victims)
        house.processes.kill(victim)
        journal.fault(f"{victim} with {pending} pending under fence {holder[0]}")
        # Only orders' relay has these lanes; another process's death does not end their leases.
        fence = holder[0] if victim == house.holder("orders", "worker") else fence
        house.processes.start(victim)
        house.processes.wait_ready(victim)


def kill_anybody(ground: Ground, *, orders: int, kills: int) -> None:
    """Have clients place `orders` while `kills` processes die, web processes and workers alike."""
    victims = sorted({*ground.house.named("*web*"), *ground.house.named("*worker*")})
    kill_under_load(ground.house, ground.journal, ground.seed, orders=orders, kills=kills, victims=victims)


def kill_under_load(
    house: RunningHouse, journal: Journal, seed: str, *, orders: int, kills: int, victims: Sequence[str]
) -> None:
    """Have clients place `orders` while `kills` of the victims die."""
    wanted = Wanted(orders=orders, kills=kills, give_up=time.monotonic() + 60 + 20 * kills)
    with ThreadPoolExecutor(CLIENTS) as crowd:
        clients = [
            crowd.submit(
                shop_until,
                house,
                journal,
                lambda: wanted.is_met(journal),
                random.Random(f"{seed}/{n}"),
                lambda: wanted.pause_seconds(journal),
            )
            for n in range(CLIENTS)
        ]
        kill_while_working(house, journal, wanted, random.Random(seed), victims)
        for client in clients:
            client.result()
    if len(journal.kills) < kills:
        journal.wrongs.append(("I0", f"{len(journal.kills)} kills instead of {kills} met a relay with work in hand"))


def run(house: RunningHouse, *, orders: int, kills: int, seed: int) -> Journal:
    """Kill workers under load, wait until all is drained, and return the journal."""
    journal = Journal()
    workers = [name for name in house.named("*worker") if "users" not in name]
    kill_under_load(house, journal, str(seed), orders=orders, kills=kills, victims=workers)
    house.wait_quiet(seconds=180)
    return journal


def faults_of(house: RunningHouse, journal: Journal) -> list[str]:
    """Return what its own clients can tell against a house that others use as well; alone, see checks.findings."""
    faults = [sentence for _, sentence in journal.wrongs] + list(wrongly_shown(house, journal))
    journal.close(is_needed=bool(faults))
    return faults
