"""A closed set of clients that place, pay for and cancel orders, and retry until they know what became of each.

May touch: the shop's front door, and a journal.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import urllib3

from bff_app.management.shop import Person, Reply, UnexpectedReply, eventually
from tests.house import RunningHouse

from .journal import Journal, Placed

CLIENTS = 4
ORDERS_EACH = 60  # below the dashboard's page of 100, so that one request shows all of a person
SETTLE_SECONDS = 120.0
PRODUCTS = ("chisel", "slate-tile", "basalt-paver", "stone-hammer")
# Of all wishes (FAULTS, workload): a retry after the answer, and one sent twice at once.
RETRIED, DOUBLED = 0.2, 0.05
REFUSED_CARDS, CANCELLED = 0.1, 0.2
# While fewer than MOST_UNDECIDED orders wait, a client pauses EBB_SECONDS between two, otherwise FLOOD_SECONDS.
EBB_SECONDS, FLOOD_SECONDS, LOOK_SECONDS, MOST_UNDECIDED = 0.02, 0.6, 0.5, 60
UNDECIDED = "SELECT count(*) FROM orders_order WHERE status = 'placed'"
# 500 is wrong and noted as such, but its outcome is as unknown as the others'.
_UNKNOWN = (500, 502, 503, 504)


class StillUnknown(AssertionError):
    """A wish had no known outcome after SETTLE_SECONDS of retries."""


def shop_until(
    house: RunningHouse,
    journal: Journal,
    is_enough: Callable[[], bool],
    rng: random.Random,
    pause: Callable[[], float] = lambda: 0.0,
) -> None:
    """Shop as one client until it is enough; somebody new after every ORDERS_EACH orders."""
    while not is_enough():
        person = _somebody(house, journal)
        for _ in range(ORDERS_EACH):
            if is_enough():
                return
            _shop_once(house, person, journal, rng)
            time.sleep(pause())


class Pace:
    """A steady rate of orders of all clients together, however long each takes; what was missed is not made up for."""

    def __init__(self, per_second: float) -> None:
        self._every, self._next, self._lock = 1 / per_second, time.monotonic(), threading.Lock()

    def __call__(self) -> float:
        """Return the seconds until the next order is due."""
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next + self._every, now)
            return self._next - now


class Tide:
    """As many orders as the house decides: clients slow down while too many are undecided, and a drain stays short."""

    def __init__(self, house: RunningHouse) -> None:
        self._house, self._lock = house, threading.Lock()
        self._look_at, self._pause = 0.0, EBB_SECONDS

    def __call__(self) -> float:
        """Return the seconds to wait before a client's next order."""
        with self._lock:
            if time.monotonic() >= self._look_at:
                (undecided,) = self._house.rows("orders", UNDECIDED)[0]
                self._pause = EBB_SECONDS if undecided < MOST_UNDECIDED else FLOOD_SECONDS
                self._look_at = time.monotonic() + LOOK_SECONDS
            return self._pause


@contextmanager
def shopping(house: RunningHouse, journal: Journal, seed: str, *, pause: Callable[[], float]) -> Iterator[None]:
    """Have all clients shop during the block, with `pause` between two orders of one; then settle what they began.

    Raise what a client raised.
    """
    closing = threading.Event()
    with ThreadPoolExecutor(CLIENTS) as crowd:
        clients = [
            crowd.submit(shop_until, house, journal, closing.is_set, random.Random(f"{seed}/{n}"), pause)
            for n in range(CLIENTS)
        ]
        try:
            yield
        finally:
            closing.set()
    for client in clients:
        client.result()


def warm_up(journal: Journal) -> None:
    """Wait until every client has signed up and there are orders in hand: no fault is wasted on an empty shop."""
    more_orders(journal, 2 * CLIENTS, within_seconds=60, when="before the first fault")


def more_orders(journal: Journal, number: int, *, within_seconds: float, when: str) -> None:
    """Wait until so many more orders are accepted; raise UnexpectedReply."""
    wanted = len(journal.accepted) + number
    eventually(
        lambda: len(journal.accepted) >= wanted, within_seconds=within_seconds, what=f"{number} more orders {when}"
    )


def _somebody(house: RunningHouse, journal: Journal) -> Person:
    ends = time.monotonic() + SETTLE_SECONDS
    while True:
        try:
            person = house.shop.sign_up("Somebody")
        except (urllib3.exceptions.HTTPError, UnexpectedReply):
            # Whoever was signed up without being told never shops.
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)
            continue
        journal.meet(person)
        return person


def _shop_once(house: RunningHouse, person: Person, journal: Journal, rng: random.Random) -> None:
    chosen = rng.sample(PRODUCTS, rng.randint(1, 2))
    placed = Placed(
        key=uuid4().hex,
        buyer=person.id,
        lines={sku: rng.randint(1, 2) for sku in sorted(chosen)},
        card="test-card-refused" if rng.random() < REFUSED_CARDS else "test-card",
    )
    journal.ask(placed)
    chance = rng.random()
    if chance < DOUBLED:
        journal.count("doubled")
        with ThreadPoolExecutor(2) as both:
            twins = [both.submit(place, house, person, journal, placed) for _ in range(2)]
        for twin in twins:
            twin.result()
    else:
        place(house, person, journal, placed)
        if chance < DOUBLED + RETRIED:
            journal.count("retried")
            place(house, person, journal, placed)
    if placed.order and placed.card == "test-card" and rng.random() < CANCELLED:
        reply = _until_known(journal, placed.key, "cancel", lambda: house.shop.cancel(person, placed.order))
        journal.cancel(placed, reply)


def place(house: RunningHouse, person: Person, journal: Journal, placed: Placed) -> None:
    """Send a noted wish until its outcome is known, and note that; raise StillUnknown."""

    def send() -> Reply:
        return house.shop.place(person, placed.lines, key=placed.key, payment_method=placed.card)

    journal.answer(placed, _until_known(journal, placed.key, "place", send))


def _until_known(journal: Journal, key: str, what: str, send: Callable[[], Reply]) -> Reply:
    ends, was_unknown = time.monotonic() + SETTLE_SECONDS, False
    while True:
        journal.attempt(key, what)
        began = time.monotonic()
        try:
            reply = send()
            journal.timed.append((began, time.monotonic() - began))
            why = f"{reply.status} {reply.body}"
            is_late_twin = reply.status == 409 and (reply.body or {}).get("code") == "idempotency_key_in_use"
            if reply.status == 503 and (reply.body or {}).get("code") == "outbox_full":
                journal.full(key, reply)
            if reply.status == 500:
                journal.wrongs.append(("I10", f"{what} under {key} was answered 500: {reply.body}"))
            if reply.status not in _UNKNOWN and not is_late_twin:
                # Done by the request whose answer was lost: the key gave it back.
                if was_unknown and reply.headers.get("idempotency-replayed") == "true":
                    journal.count("recovered")
                return reply
        except urllib3.exceptions.HTTPError as lost:
            why, is_late_twin = type(lost).__name__, False
        if not is_late_twin:
            was_unknown = True
            journal.unknown(key, what, why)
        if time.monotonic() > ends:
            raise StillUnknown(f"{what} under {key}: {why}")
        time.sleep(0.1)
