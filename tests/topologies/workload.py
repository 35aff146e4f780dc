"""The seeded workload of the parity suite: a fixed walk, then people who do anything, in any order. Pure.

Every answer of it is determined: people of one round are different ones, and what arrives by event is
waited for between rounds. Races are kept to beats whose outcomes are compared as a set.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from settings.contexts import CONTEXTS
from tests.topologies.people import BAD_ORDERS, BAD_SIGN_UPS, BAD_TOKENS, REFUSED_CARD, SKUS, WRONG_DOORS, Person
from tests.topologies.plan import SAID_NOTHING, Plan, Writer

# As many as a few clients serve in one go; more people a round would only wait for each other.
PEOPLE_A_ROUND = 8
MOST_PEOPLE = 60
OPEN_PAGES = (
    "/api/v1/products",
    "/.well-known/jwks.json",
    "/healthz",
    *(f"/api/schema/{name}" for name in CONTEXTS),
)


def workload(seed: int, requests: int) -> Plan:
    """Return a plan of at least `requests` requests; the same seed and number give the same plan."""
    return _Workload(seed).written(requests)


class _Workload:
    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._dice = random.Random(seed)
        self._writer = Writer()
        self._people: list[Person] = []
        self._at_rest = 0  # the last request before this round
        # What people do, and how often of a hundred times or so.
        self._acts: dict[Callable[[Person], object], int] = {
            self._orders: 22,
            self._looks_at_the_dashboard: 12,
            self._sends_rubbish: 12,
            self._reads: 8,
            self._cancels: 9,
            self._repeats_a_key: 8,
            self._lists: 6,
            self._renames: 6,
            self._logs_in: 6,
            self._shows_a_bad_token: 6,
            self._races: 6,
            self._knocks_at_wrong_doors: 5,
            self._refreshes: 3,
            self._looks_at_open_pages: 2,
        }

    def written(self, requests: int) -> Plan:
        self._walk()
        while self._writer.count < requests:
            self._round()
        return self._writer.plan(f"walk and workload of seed {self._seed}", self._seed)

    def _newcomer(self) -> Person:
        person = Person(len(self._people) + 1, self._writer, self._seed)
        self._people.append(person)
        return person

    # -- the walk: what every journey needs, once, in a fixed order --------------------------------------

    def _walk(self) -> None:
        rosa, tom = self._newcomer(), self._newcomer()
        for person in (rosa, tom):
            person.sign_up()
            person.log_in()
            person.sign_up()
            person.log_in("not-the-password")
            self._writer.end_script()
        self._writer.end_round()
        rosa.refresh()
        rosa.refresh()
        rosa.log_in()
        rosa.rename("Rosa Luz")
        rosa.profile()
        hers = rosa.place({"slate-tile": 2, "chisel": 1}, key="walk-1")
        rosa.repeat("walk-1")
        rosa.repeat("walk-1", {"lines": [{"sku": "chisel", "quantity": 1}]})
        self._writer.end_script()
        his = tom.place({"granite-block": 1}, key="walk-1")
        self._writer.end_round()
        rosa.read(hers)
        rosa.list_orders()
        self._writer.end_script()
        tom.read(hers)
        tom.cancel(hers)
        tom.cancel(his)
        tom.cancel(his)
        self._writer.end_round()
        for person in (rosa, tom):
            person.dashboard()
            self._writer.end_script()
        self._writer.end_round()

    # -- the workload ------------------------------------------------------------------------------------

    def _round(self) -> None:
        known, self._at_rest = list(self._people), self._writer.count
        for person in self._dice.sample(known, min(len(known), PEOPLE_A_ROUND - 1)):
            act = self._dice.choices(list(self._acts), list(self._acts.values()))[0]
            act(person)
            self._writer.end_script()
        if len(self._people) < MOST_PEOPLE and (len(self._people) < PEOPLE_A_ROUND or self._dice.random() < 0.3):
            self._arrives(self._newcomer())
        self._writer.end_round()

    def _arrives(self, person: Person) -> None:
        person.sign_up()
        person.log_in()
        # At once: orders may not have heard of them yet, and then asks users; the answer is the same.
        if self._dice.random() < 0.6:
            person.place(self._basket())
        else:
            person.dashboard()

    def _basket(self) -> dict[str, int]:
        skus = self._dice.sample(SKUS, self._dice.randint(1, 3))
        return {sku: self._dice.randint(1, 4) for sku in skus}

    def _orders(self, person: Person) -> None:
        # One key may be used by different people, each for an order of their own.
        is_shared = "shared" not in person.keys and self._dice.random() < 0.2
        card = REFUSED_CARD if self._dice.random() < 0.2 else ""
        person.place(self._basket(), key="shared" if is_shared else "", card=card)

    def _looks_at_the_dashboard(self, person: Person) -> None:
        person.dashboard(self._dice.choice((1, 3, 20, 100)))

    def _sends_rubbish(self, person: Person) -> None:
        if self._dice.random() < 0.75:
            person.place_badly(self._dice.choice(list(BAD_ORDERS)))
        else:
            person.sign_up(**self._dice.choice(BAD_SIGN_UPS))

    def _some_order(self) -> int | None:
        # Not of this round: whether such an order has its id yet would hang on who is faster.
        orders = [order for person in self._people for order in person.orders if order <= self._at_rest]
        return self._dice.choice(orders) if orders else None

    def _reads(self, person: Person) -> None:
        order = self._dice.choice(person.orders) if person.orders and self._dice.random() < 0.7 else self._some_order()
        if order is None or self._dice.random() < 0.1:
            person.ask("reading an order", "GET", f"/api/v1/orders/{SAID_NOTHING}")
        else:
            person.read(order)
            person.payment(order)

    def _cancels(self, person: Person) -> None:
        order = self._dice.choice(person.orders) if person.orders and self._dice.random() < 0.8 else self._some_order()
        if order is not None:
            for _ in range(self._dice.choice((1, 1, 2))):
                person.cancel(order)

    def _repeats_a_key(self, person: Person) -> None:
        if not person.keys:
            return self._orders(person)
        key = self._dice.choice(list(person.keys))
        person.repeat(key, {"lines": [{"sku": "chisel", "quantity": 9}]} if self._dice.random() < 0.35 else None)
        return None

    def _lists(self, person: Person) -> None:
        person.list_orders(self._dice.choice((1, 2, 5, 20)))

    def _renames(self, person: Person) -> None:
        # Sometimes to the name they have: nothing changes, nothing is published.
        person.rename(self._dice.choice(("Ada", "Zoë Ünal", f"Person {person.number}", "O'Brien; --")))
        person.profile()
        person.dashboard(1)

    def _logs_in(self, person: Person) -> None:
        if self._dice.random() < 0.4:
            person.log_in("not-the-password")
        person.log_in()

    def _shows_a_bad_token(self, person: Person) -> None:
        token, path = self._dice.choice(BAD_TOKENS), self._dice.choice(("users/me", "orders", "dashboard"))
        person.ask("bad token", "GET", f"/api/v1/{path}", token=token)

    def _races(self, person: Person) -> None:
        kind = self._dice.choice(("order", "order", "cancellation", "refresh", "sign-up"))
        if kind == "cancellation" and person.orders:
            person.cancel(self._dice.choice(person.orders), times=3)
        elif kind == "refresh":
            person.log_in()
            person.refresh(times=3)
        elif kind == "sign-up":
            body = {"email": f"twin-{self._writer.count}@example.com", "password": "walking-house-22", "name": "Twin"}
            person.race("sign-up", "POST", "/api/v1/users", 2, token=None, body=body)
        else:
            key = f"race-{self._writer.count}"
            person.place(self._basket(), key=key, times=4)
            person.repeat(key)

    def _knocks_at_wrong_doors(self, person: Person) -> None:
        method, path, headers = self._dice.choice(WRONG_DOORS)
        raw = b'{"lines":[]}' if method == "POST" else None
        person.ask("wrong door", method, path, raw=raw, headers=headers)

    def _refreshes(self, person: Person) -> None:
        for _ in range(self._dice.choice((1, 2))):
            person.refresh()
        person.log_in()

    def _looks_at_open_pages(self, person: Person) -> None:
        person.ask("open page", "GET", self._dice.choice(OPEN_PAGES), token=None)
