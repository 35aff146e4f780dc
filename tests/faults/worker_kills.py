"""Kill -9 the workers again and again under load, then check every accepted order from outside.

By hand, larger: `python -m tests.faults.worker_kills --topology split --tier real --orders 2000 --kills 20`
"""

from __future__ import annotations

import argparse
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from uuid import uuid4

import urllib3

from bff_app.management.shop import Person, Reply, eventually
from tests.house import RunningHouse, running_house

CLIENTS = 4
ORDERS_EACH = 60  # below the dashboard's page of 100, so that one request shows all of a person
PENDING = "SELECT count(*) FROM orders_outbox WHERE sent_at IS NULL"
LEASE = "SELECT fence, owner FROM orders_lane WHERE lease_until > CURRENT_TIMESTAMP"
HEARD = "SELECT count(*) FROM bff_dashboard_history"
# Slow enough that the kills catch up, fast enough that there is always work in hand.
TRICKLE_SECONDS = 0.1


@dataclass(kw_only=True)
class Journal:
    """What the clients were told, kept outside the system: order id → versions it must reach."""

    orders: dict[str, dict[str, int]] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    kills: list[str] = field(default_factory=list)
    refused: list[Reply] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def accepted(self) -> int:
        """How many orders got a 201."""
        return sum(len(orders) for orders in self.orders.values())


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How much of both a run needs; orders wait for kills, so that the kills spread over all of them."""

    orders: int
    kills: int
    give_up: float

    def is_met(self, journal: Journal) -> bool:
        """True when enough was accepted and killed, or the time is up."""
        enough = journal.accepted >= self.orders and len(journal.kills) >= self.kills
        return enough or time.monotonic() > self.give_up

    def is_ahead_of_the_kills(self, journal: Journal) -> bool:
        """True when this share of the orders should have seen one more kill."""
        return journal.accepted > self.orders * (len(journal.kills) + 1) / max(1, self.kills)


def shop_until(house: RunningHouse, journal: Journal, wanted: Wanted, rng: random.Random) -> None:
    """Sign up, place and sometimes cancel orders until enough were accepted and killed for."""
    while not wanted.is_met(journal):
        person = house.shop.sign_up("Somebody")
        journal.orders[person.id], journal.people[person.id] = {}, person
        for _ in range(ORDERS_EACH):
            if wanted.is_met(journal):
                return
            _shop_once(house, person, journal, rng)
            if wanted.is_ahead_of_the_kills(journal):
                time.sleep(TRICKLE_SECONDS)


def _shop_once(house: RunningHouse, person: Person, journal: Journal, rng: random.Random) -> None:
    key = uuid4().hex
    reply = _until_known(lambda: house.shop.place(person, {"chisel": 1}, key=key))
    if reply.status != 201:
        journal.refused.append(reply)
        return
    order = reply.body["id"]
    journal.orders[person.id][order] = 1
    if rng.random() < 0.2 and _until_known(lambda: house.shop.cancel(person, order)).status == 200:
        journal.orders[person.id][order] = 2


def _until_known(send) -> Reply:
    for _ in range(20):
        try:
            reply = send()
        except urllib3.exceptions.HTTPError:
            continue
        if reply.status not in (409, 502, 503, 504):
            return reply
    raise AssertionError("an outcome stayed unknown after 20 tries")


def kill_while_working(house: RunningHouse, journal: Journal, wanted: Wanted, rng: random.Random) -> None:
    """Kill -9 a worker again and again, each time while its relay holds the lease and rows are pending."""
    workers = [name for name in house.named("*worker") if "users" not in name]
    fence = 0
    while len(journal.kills) < wanted.kills and time.monotonic() < wanted.give_up:
        (holder,) = house.rows("orders", LEASE) or [(0, "")]
        (pending,) = house.rows("orders", PENDING)[0]
        if not pending or holder[0] <= fence or not holder[1]:
            time.sleep(0.002)
            continue
        victim = rng.choice(workers)
        house.processes.kill(victim)
        journal.kills.append(f"{victim} with {pending} pending under fence {holder[0]}")
        # Only orders' relay has this lease; another worker's death does not end it.
        fence = holder[0] if victim == house.holder("orders", "worker") else fence
        house.processes.start(victim)


def run(house: RunningHouse, *, orders: int, kills: int, seed: int) -> Journal:
    """Run the load and the kills, wait until all is drained, and return the journal."""
    journal, began = Journal(), time.monotonic()
    wanted = Wanted(orders=orders, kills=kills, give_up=began + 60 + 20 * kills)
    # A house that was used before has a history already; its lines must not stand for ours.
    (before,) = house.rows("bff", HEARD)[0]
    with ThreadPoolExecutor(CLIENTS) as crowd:
        clients = [
            crowd.submit(shop_until, house, journal, wanted, random.Random(f"{seed}/{n}"))
            for n in range(CLIENTS)
        ]
        kill_while_working(house, journal, wanted, random.Random(seed))
        for client in clients:
            client.result()
    expected = sum(sum(orders.values()) for orders in journal.orders.values())
    eventually(
        lambda: house.rows("bff", HEARD)[0][0] >= before + expected and house.rows("orders", PENDING) == [(0,)],
        within_seconds=120,
        what=f"{expected} events in the read model",
    )
    journal.seconds = time.monotonic() - began
    return journal


def faults_of(house: RunningHouse, journal: Journal) -> list[str]:
    """Return every order that the dashboard does not show exactly once, with its versions in order."""
    faults = [f"refused: {reply.status} {reply.body}" for reply in journal.refused]
    for person_id, orders in journal.orders.items():
        person = house.shop.log_in(journal.people[person_id])
        dashboard = house.shop.dashboard(person, limit=100).body
        shown: dict[str, list[list[int]]] = {}
        for row in dashboard["orders"]:
            shown.setdefault(row["id"], []).append([entry["version"] for entry in row["history"]])
        for order, versions in orders.items():
            if shown.pop(order, None) != [list(range(1, versions + 1))]:
                faults.append(f"order {order}: expected {versions} versions in order, the dashboard differs")
        faults += [f"order {stranger} was never accepted" for stranger in shown]
        if dashboard["totals"]["orders_placed"] != len(orders):
            faults.append(f"totals of {person_id}: {dashboard['totals']} for {len(orders)} orders")
    return faults


def main() -> None:
    """Run once by hand and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--topology", choices=("monolith", "split"), default="monolith")
    parser.add_argument("--tier", choices=("embedded", "real"), default="embedded")
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with running_house(asked.topology, asked.tier) as house:
        journal = run(house, orders=asked.orders, kills=asked.kills, seed=asked.seed)
        faults = faults_of(house, journal)
    print(
        f"{asked.topology} {asked.tier} seed {asked.seed}: {journal.accepted} orders, {len(journal.kills)} kills, "
        f"{journal.seconds:.0f} s, {len(faults)} faults"
    )
    print("\n".join(faults[:20]))
    raise SystemExit(bool(faults) or len(journal.kills) < asked.kills)


if __name__ == "__main__":
    main()
