"""F17: events that cannot be applied: their handler raises, kills its process, or never ends.

May touch: workers of the house it is given, which it starts again when they die.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from bff_app.management.shop import Person, UnexpectedReply, eventually
from tests.house import RunningHouse

from . import figures, reading
from .checks import unsettled
from .clients import Pace, more_orders, place, shopping, warm_up
from .controls import HANGS_TOTAL, KILLS_TOTAL, RAISES_TOTAL
from .ground import Ground
from .journal import Placed

# Of all clients together; slow enough that a lag is the consumer's and not the machine's.
ORDERS_A_SECOND = 6.0
# By content, so that a restarted worker is poisoned again: no order of the clients comes to these sums.
RAISES, KILLS, HANGS = {"feather-wedge": 1}, {"limestone-sill": 1}, {"granite-block": 1}
CONSUMER = "bff.orders"
PARKED_SECONDS = 240.0
# Orders that come before any poison, for the lag that is usual; and at least as many beside each kind of it.
BASELINE, BYSTANDERS = 60, 30
# Of workers: as the broker gave it. Its next receiver knows; from then on it is run in processes of its own.
MOST_DEATHS = 1


@dataclass(kw_only=True)
class _Course:
    """One run: whom its workers' deaths are told, and the span of each phase in Unix time."""

    ground: Ground
    seconds: float
    window: float
    deaths: list[str] = field(default_factory=list)
    spans: dict[str, tuple[float, float]] = field(default_factory=dict)
    parked_after: dict[str, list[float]] = field(default_factory=dict)


def poison(
    ground: Ground,
    *,
    raising: int = 5,
    killing: int = 1,
    hanging: int = 1,
    seconds: float = PARKED_SECONDS,
    window: float = 0.0,
) -> None:
    """Order poison of each kind, one after the other, among the others; exactly it is parked, all else is applied.

    `window`: seconds that each phase lasts at least, so that an outage in it is a part of a stated span.
    """
    course = _Course(ground=ground, seconds=seconds, window=window)
    with _supervised(ground.house, course.deaths):
        _phase(course, "baseline", {}, 0)
        _phase(course, "raising", RAISES, raising)
        _phase(course, "killing", KILLS, killing)
        _phase(course, "hanging", HANGS, hanging)
    ground.journal.kills += [f"death-by-poison {name}" for name in course.deaths]
    if len(course.deaths) > (killing + hanging) * MOST_DEATHS:
        ground.journal.wrongs.append(
            ("I11", f"{killing} killer events and {hanging} that hang cost {len(course.deaths)} deaths")
        )
    ground.journal.figures["lag"] = _lags(course)


def _phase(course: _Course, name: str, lines: Mapping[str, int], number: int) -> None:
    ground, journal = course.ground, course.ground.journal
    if (lines and not number) or journal.wrongs:
        return
    with shopping(ground.house, journal, f"{ground.seed}/{name}", pause=Pace(ORDERS_A_SECOND)):
        warm_up(journal)
        began, before = time.time(), len(journal.accepted)
        if lines:
            buyer = ground.house.shop.sign_up("Somebody")
            journal.meet(buyer)
        for _ in range(number):
            _order_poison(course, buyer, lines, name)
        wanted = BYSTANDERS if lines else BASELINE
        more_orders(journal, max(0, before + wanted - len(journal.accepted)), within_seconds=120, when="beside poison")
        time.sleep(max(0.0, began + course.window - time.time()))
        course.spans[name] = (began, time.time())
    _settles(course)


def _order_poison(course: _Course, buyer: Person, lines: Mapping[str, int], name: str) -> None:
    """Order one and wait until it is parked: one aggregate at a time is poisoned."""
    ground, journal = course.ground, course.ground.journal
    placed = Placed(key=uuid4().hex, buyer=buyer.id, lines=dict(lines), card="test-card")
    journal.ask(placed)
    began = time.monotonic()
    place(ground.house, buyer, journal, placed)
    journal.fault(f"{next(iter(lines))} ordered")
    poisonous = reading.poisonous(ground.house, (RAISES_TOTAL, KILLS_TOTAL, HANGS_TOTAL))
    ground.poison[CONSUMER] = poisonous
    parked = f"SELECT count(*) FROM bff_inbox WHERE state = 'parked' AND consumer = '{CONSUMER}'"
    try:
        eventually(
            lambda: ground.house.rows("bff", parked) == [(len(poisonous),)],
            within_seconds=course.seconds,
            what=f"the event that is {name} is parked",
        )
    except UnexpectedReply as late:
        journal.wrongs.append(("I10", str(late)))
    course.parked_after.setdefault(name, []).append(round(time.monotonic() - began, 1))


def _settles(course: _Course) -> None:
    house, poisonous = course.ground.house, course.ground.poison
    seconds = min(course.seconds, PARKED_SECONDS)
    try:
        eventually(lambda: not unsettled(house, poisonous), within_seconds=seconds, what="only the poison is parked")
    except UnexpectedReply as late:
        course.ground.journal.wrongs.append(("I10", f"{late}: {unsettled(house, poisonous)[:5]}"))


def _lags(course: _Course) -> dict[str, object]:
    house = course.ground.house
    poisoned = course.ground.poison.get(CONSUMER, frozenset())
    without = {event.aggregate for event in reading.log_of(house, "orders") if event.id in poisoned}
    phases = {
        name: figures.bystanders(house, CONSUMER, since=since, until=until, without=without)
        for name, (since, until) in course.spans.items()
    }
    return {
        "consumer": CONSUMER,
        "phases": phases,
        "p99_against_baseline": {
            name: figures.ratio(phase, phases["baseline"]) for name, phase in phases.items() if name != "baseline"
        },
        "parked_after_seconds": course.parked_after,
    }


@contextmanager
def _supervised(house: RunningHouse, deaths: list[str]) -> Iterator[None]:
    """Start every worker again that dies, as a supervisor does; note who did."""
    closing = threading.Event()
    workers = house.named("*worker*")

    def look_after() -> None:
        while not closing.wait(0.2):
            for name in workers:
                if not house.processes.is_running(name):
                    deaths.append(name)
                    house.processes.start(name)

    keeper = threading.Thread(target=look_after, daemon=True)
    keeper.start()
    try:
        yield
    finally:
        closing.set()
        keeper.join()
