"""F05 in minutes, F06, F07, F08: RabbitMQ is away, hangs, takes nothing, or answers slowly, while orders come.

May touch: the real tier's servers, of an instance made for faults.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from itertools import cycle

from bff_app.management.shop import eventually

from .broken_stores import NOTICE_SECONDS, catches_up, still_accepts, waiting
from .clients import Pace, shopping, warm_up
from .figures import spread
from .ground import Ground, noted
from .node import Node

# A dying broker answers nobody before it is gone: so long, what it was given last has no answer.
DYING_SECONDS = 3.0
# Of the orders that were due while RabbitMQ was away, so many must have been accepted: a busy machine is slower.
ACCEPTED_SHARE = 0.5
# Beyond the limit: each process looks at its outbox once a second, and lets in what comes until it has looked.
OVERSHOOT_SECONDS = 3.0
_UNSENT = "SELECT count(*) FROM orders_outbox WHERE sent_at IS NULL"
NOTICED = "lost the broker"
# A relay's deadline for its confirms is 2 s, and it says so when that is past.
RELAY_NOTICES_SECONDS = 30.0


def outlast(ground: Ground, *, seconds: float, rate: float) -> None:
    """RabbitMQ hangs, dies and stays away for so long while `rate` orders a second come; then the backlog drains."""
    node, journal = Node("rabbitmq"), ground.journal
    with shopping(ground.house, journal, ground.seed, pause=Pace(rate)):
        warm_up(journal)
        # A relay that is still starting has nothing on its way when its broker begins to hang.
        catches_up(ground)
        before, unknown = len(journal.accepted), journal.counts["unknown"]
        died = time.monotonic()
        _die(node, seconds)
        number, last = waiting(ground)
        back = node.start_and_listen()
        gone = back - died
        accepted, lost = len(journal.accepted) - before, journal.counts["unknown"] - unknown
        catches_up(ground, last=last, seconds=max(NOTICE_SECONDS, seconds))
        drained = time.monotonic() - back
        journal.fault(f"rabbitmq away for {gone:.1f} s")
        due = int(rate * gone)
        if accepted < ACCEPTED_SHARE * due or lost:
            journal.wrongs.append(("I10", f"without RabbitMQ {accepted} of {due} orders were accepted, {lost} unknown"))
    began = time.monotonic()
    with noted(ground):
        ground.house.wait_quiet(seconds=max(NOTICE_SECONDS, 2 * seconds))
    journal.figures["outage"] = {
        "away_seconds": round(gone, 1),
        "orders_a_second": rate,
        "accepted_meanwhile": accepted,
        "refused_meanwhile": lost,
        "waiting_events": number,
        "drained_seconds": round(drained, 1),
        "quiet_after_last_order_seconds": round(time.monotonic() - began, 1),
    }


def fill(ground: Ground, *, limit: int, seconds: float, rate: float) -> None:
    """RabbitMQ is dead until orders' outbox is full; then 503, and afterwards the same keys go through."""
    node, journal, house = Node("rabbitmq"), ground.journal, ground.house
    with shopping(house, journal, ground.seed, pause=Pace(rate)):
        warm_up(journal)
        node.kill()
        with noted(ground):
            eventually(
                lambda: journal.refused, within_seconds=3 * limit / rate + NOTICE_SECONDS, what="a full outbox refuses"
            )
        time.sleep(seconds)
        (unsent,) = house.rows("orders", _UNSENT)[0]
        if unsent > (most := limit + int(OVERSHOOT_SECONDS * rate * 2)):
            journal.wrongs.append(("I10", f"{unsent} events wait where {limit} may, {most} with what was under way"))
        node.start()
        journal.fault("rabbitmq away until the outbox was full")
        with noted(ground):
            eventually(
                lambda: _refused_and_not_done(ground) == 0, within_seconds=NOTICE_SECONDS, what="what was refused is in"
            )
        still_accepts(ground, 10, "RabbitMQ is back")
    refused = [placed for placed in journal.placed if placed.key in journal.refused]
    journal.figures["full"] = {
        "limit": limit,
        "waiting_events": unsent,
        "refused_keys": len(refused),
        "refusals": journal.counts["outbox_full"],
        "accepted_later_under_their_keys": sum(bool(placed.order) for placed in refused),
    }


def hang(ground: Ground, *, seconds: float, times: int, rate: float) -> None:
    """F06: RabbitMQ stops in the middle of whatever it does, and goes on as if nothing had been."""
    node = Node("rabbitmq")
    _trouble(ground, node.freeze, node.thaw, seconds=seconds, times=times, rate=rate, what="rabbitmq stopped")


def alarm(ground: Ground, *, seconds: float, times: int, rate: float) -> None:
    """F07: RabbitMQ has no memory left, or in turn no room on its disk, and takes no message from anybody."""
    node, scarce = Node("rabbitmq"), cycle(("memory", "disk"))
    _trouble(
        ground, lambda: node.starve(next(scarce)), node.feed, seconds=seconds, times=times, rate=rate, what="alarm"
    )


def _trouble(
    ground: Ground,
    begin: Callable[[], None],
    end: Callable[[], None],
    *,
    seconds: float,
    times: int,
    rate: float,
    what: str,
) -> None:
    journal, house = ground.journal, ground.house
    with shopping(house, journal, ground.seed, pause=Pace(rate)):
        warm_up(journal)
        usual = _answers(ground, DYING_SECONDS * 4)
        meanwhile: list[float] = []
        noticed: list[float] = []
        drains: list[float] = []
        for _ in range(times):
            said = _times_said(ground)
            begin()
            began = time.monotonic()
            try:
                noticed.append(_relay_notices(ground, said))
                meanwhile += _answers(ground, max(0.0, seconds - (time.monotonic() - began)))
                still_accepts(ground, 5, what)
            finally:
                end()
            back = time.monotonic()
            catches_up(ground)
            drains.append(round(time.monotonic() - back, 1))
            journal.fault(what)
    journal.figures["trouble"] = {
        "seconds": seconds,
        "answers_before": spread(usual),
        "answers_meanwhile": spread(meanwhile),
        "relay_noticed_seconds": noticed,
        "drained_seconds": drains,
    }


def slow_link(ground: Ground, *, delays: tuple[float, ...], seconds: float, rate: float) -> None:
    """F08: each byte to and from RabbitMQ comes late and few at a time; RabbitMQ is killed with some on their way."""
    if ground.link is None:
        raise AssertionError("this row needs a house whose broker lies behind a link")
    node, journal, rng = Node("rabbitmq"), ground.journal, random.Random(ground.seed)
    with shopping(ground.house, journal, ground.seed, pause=Pace(rate)):
        warm_up(journal)
        for delay in delays:
            ground.link.slow(delay, delay * 2 / 3, 8_000)
            _answers(ground, seconds * rng.uniform(0.7, 1.3))
            still_accepts(ground, 5, f"RabbitMQ is {delay:g} s away")
            node.kill()
            still_accepts(ground, 5, "RabbitMQ is dead")
            ground.link.fast()
            node.start()
            journal.fault(f"rabbitmq killed behind a link of {delay:g} s")
            catches_up(ground)
    journal.figures["link"] = {"delays_seconds": delays, "bytes_a_second": 8_000}


def _die(node: Node, seconds: float) -> None:
    """Have a broker hang, be killed, and be away for so long in all."""
    ends = time.monotonic() + seconds
    node.freeze()
    time.sleep(DYING_SECONDS)
    node.kill()
    # How long it is away is the fault itself; nothing is asked of this time.
    time.sleep(max(0.0, ends - time.monotonic()))


def _relay_notices(ground: Ground, said: int) -> float:
    """Wait until a relay says once more that it lost its broker; return the seconds it took."""
    began = time.monotonic()
    with noted(ground):
        eventually(
            lambda: _times_said(ground) > said,
            within_seconds=RELAY_NOTICES_SECONDS,
            what="a relay notices that its broker takes nothing",
        )
    return round(time.monotonic() - began, 1)


def _answers(ground: Ground, seconds: float) -> list[float]:
    """Let clients order for so long; return how long each request that left meanwhile took, in seconds."""
    began = time.monotonic()
    time.sleep(seconds)
    return [took for left, took in list(ground.journal.timed) if left >= began]


def _refused_and_not_done(ground: Ground) -> int:
    return sum(placed.key in ground.journal.refused and not placed.order for placed in list(ground.journal.placed))


def _times_said(ground: Ground) -> int:
    house = ground.house
    logs = {house.holder(context, "worker") for context in ("orders", "payments")}
    return sum(house.processes.log(name, last=10**8).count(NOTICED) for name in logs)
