"""Writers of the measured event: orders and their events in units of work, at a steady rate.

May touch: orders and their outbox.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

from . import ground
from .counting import ensure_empty

PER_SECOND = 80
# Slow enough that this writer is not what is measured.
LIVE_PER_SECOND = 20


def steadily(work: Any, *, per_second: int = PER_SECOND) -> Iterator[Any]:
    """Yield at a steady rate; what is late is not caught up on, so that no burst is timed."""
    due = time.perf_counter()
    for one in range(work) if isinstance(work, int) else work:
        due = max(due, time.perf_counter() - 1 / per_second) + 1 / per_second
        time.sleep(max(0.0, due - time.perf_counter()))
        yield one


def write(event: Any) -> UUID:
    """Commit an order row and its event, as a use case does; return the order's id."""
    from apps.orders.models import Order
    from fissile.data.unit_of_work import unit_of_work

    with unit_of_work(ground.SOURCE) as work:
        order = Order(
            id=uuid4(), buyer_id=uuid4(), status="placed", total_minor=100, currency="EUR", placed_at=work.now
        )
        work.record(order, event(key_text=str(order.id), text=ground.TEXT))
    return order.id


def truncate_orders() -> None:
    from django.db import connections

    from fissile.data.guard import writing

    with writing(ground.SOURCE), connections[ground.SOURCE].cursor() as cursor:
        cursor.execute("TRUNCATE orders_outbox, orders_order CASCADE")


class Live:
    """A writer beside something else, in a thread of its own; `seconds` has the time of each of its commits."""

    def __init__(self, event: Any, writes: int) -> None:
        self.writes, self.seconds = writes, list[float]()
        self._event, self._orders = event, set[str]()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Begin to commit orders, at LIVE_PER_SECOND."""
        self._thread.start()

    def join(self) -> list[str]:
        """Wait for the last commit; return the ids of the events, or raise Difference if a commit has none."""
        self._thread.join()
        rows = ground.ask(ground.SOURCE, "SELECT id, aggregate FROM orders_outbox")
        found = [str(one) for one, aggregate in rows if aggregate in self._orders]
        ensure_empty(self.writes - len(found), "live commits without an event")
        return found

    def _run(self) -> None:
        from django.db import connections

        try:
            self._orders.add(f"order/{write(self._event)}")  # connects, and is not timed
            for _ in steadily(self.writes - 1, per_second=LIVE_PER_SECOND):
                began = time.perf_counter()
                order = write(self._event)
                self.seconds.append(time.perf_counter() - began)
                self._orders.add(f"order/{order}")
        finally:
            connections.close_all()
