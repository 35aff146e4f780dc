"""F05 and F10: the broker and the database die under load, and come back.

May touch: the real tier's servers, of an instance made for faults.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from bff_app.management.shop import UnexpectedReply, eventually

from .clients import more_orders, shopping, warm_up
from .ground import Ground
from .node import Node

# Orders come fast enough that each moment finds a batch on its way.
PAUSE_SECONDS = 0.05
NOTICE_SECONDS = 60.0
_WAITING = "SELECT count(*) FROM orders_outbox WHERE sent_at IS NULL AND seq <= {}"
_LAST = "SELECT coalesce(max(seq), 0) FROM orders_outbox"


def kill_broker(ground: Ground, *, kills: int) -> None:
    """RabbitMQ hangs (SIGSTOP) until orders have come, is then killed, and is started again after some more."""
    node, rng = Node("rabbitmq"), random.Random(ground.seed)
    with shopping(ground.house, ground.journal, ground.seed, pause=lambda: PAUSE_SECONDS):
        warm_up(ground.journal)
        for _ in range(kills):
            node.freeze()
            still_accepts(ground, rng.randint(5, 15), "RabbitMQ hangs")
            node.kill()
            still_accepts(ground, rng.randint(2, 20), "RabbitMQ is dead")
            node.start()
            catches_up(ground)
            ground.journal.fault("rabbitmq hung, killed, restarted")


def kill_database(ground: Ground, *, kills: int) -> None:
    """PostgreSQL drops everything, is stopped, or loses a process of its own or its first, in turn, and comes back."""
    node, rng = Node("postgres"), random.Random(ground.seed)
    ways: list[tuple[str, Callable[[], None]]] = [
        ("postgres-immediate", lambda: _stopped(node, node.quit_at_once)),
        ("postgres-fast", lambda: _stopped(node, node.quit_fast)),
        ("postgres-backend", lambda: node.kill_a_backend(rng)),
        ("postgres-postmaster", lambda: _stopped(node, node.kill_postmaster)),
    ]
    with shopping(ground.house, ground.journal, ground.seed, pause=lambda: PAUSE_SECONDS):
        warm_up(ground.journal)
        for number in range(kills):
            still_accepts(ground, rng.randint(3, 12), "PostgreSQL is back")
            name, strike = ways[number % len(ways)]
            strike()
            ground.journal.fault(name)
        still_accepts(ground, 5, "PostgreSQL is back")


def _stopped(node: Node, stop: Callable[[], None]) -> None:
    stop()
    node.start()


def still_accepts(ground: Ground, orders: int, when: str) -> None:
    """Wait until so many more orders were accepted; that they were not is noted (I10)."""
    try:
        more_orders(ground.journal, orders, within_seconds=NOTICE_SECONDS, when=f"accepted while {when}")
    except UnexpectedReply as refused:
        ground.journal.wrongs.append(("I10", str(refused)))


def waiting(ground: Ground) -> tuple[int, int]:
    """Return how many of orders' events wait to be sent, and the number of the last that is recorded."""
    (last,) = ground.house.rows("orders", _LAST)[0]
    (number,) = ground.house.rows("orders", _WAITING.format(last))[0]
    return int(number), int(last)


def catches_up(ground: Ground, *, last: int | None = None, seconds: float = NOTICE_SECONDS) -> None:
    """Wait until what is recorded up to `last` (None: up to now) is sent; that it was not in time is noted (I10)."""
    until = waiting(ground)[1] if last is None else last
    try:
        eventually(
            lambda: ground.house.rows("orders", _WAITING.format(until)) == [(0,)],
            within_seconds=seconds,
            what="what waited for RabbitMQ is sent once it is back",
        )
    except UnexpectedReply as stuck:
        ground.journal.wrongs.append(("I10", str(stuck)))
