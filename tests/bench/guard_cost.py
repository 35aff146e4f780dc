"""What the run-time guard costs an order: CPU with it and without it, in turns, in one process. Asserts nothing.

By hand: `python -m tests.bench.guard_cost --pairs 200 --orders 10`. SQLite in a folder of its own, no broker.
Batches alternate, each pair begins with the other arm than the last, and a pair's ratio is taken within the pair.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4


def prepare(state_dir: str) -> Callable[[int], None]:
    """Set Django up on a fresh orders database; return a function that places that many orders."""
    os.environ.update(
        STATE_DIR=state_dir, TIER="embedded", ROLE="orders", TOPOLOGY="users=http://127.0.0.1:9", LOG_LEVEL="WARNING",
        DJANGO_SETTINGS_MODULE="settings.base",
    )  # fmt: skip
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", database="orders", verbosity=0)
    call_command("seed", verbosity=0)
    from apps.orders import domain, projections, usecases
    from fissile.data.commands import Answer, Claim
    from fissile.data.guard import writing

    buyer_id = uuid4()
    with writing("orders"):
        projections.add_buyer(buyer_id, name="Rosa", credit_limit_minor=10**9, currency="EUR", version=1)
    wishes = [domain.Wish(sku="slate-tile", quantity=2), domain.Wish(sku="chisel", quantity=1)]

    class Nobody:
        def find_buyer(self, _: Any) -> None:
            raise AssertionError("the buyer stands in our own copy")

    def place(orders: int) -> None:
        for _ in range(orders):
            claim = Claim(
                principal=str(buyer_id), method="POST", route="/api/v1/orders", key=str(uuid4()), fingerprint="f" * 64
            )
            answer = usecases.place_order(
                wishes, buyer_id=buyer_id, payment_method="test-card", claim=claim, buyers=Nobody(),
                render=lambda order: Answer(status=201, body={"id": str(order.id)}),
            )  # fmt: skip
            if answer.status != 201:
                raise AssertionError(answer)

    return place


def arms() -> dict[str, Callable[[], None]]:
    """Return how the guard is put on, and taken off this thread's connection and the calls."""
    from django.db import connections

    from fissile.data import guard

    connection: Any = connections["orders"]

    def off() -> None:
        others = [one for one in connection.execute_wrappers if not isinstance(one, guard.StatementGuard)]
        connection.execute_wrappers[:] = others
        guard.configure(guard.Policy(sql="off", writes="off", calls="off"))

    def on() -> None:
        guard.watch(connection)
        guard.configure(guard.Policy())

    return {"on": on, "off": off}


def measure(place: Callable[[int], None], pairs: int, orders: int) -> tuple[list[float], float]:
    """Return the ratio on/off of each pair of batches, and the milliseconds of CPU an order takes without."""
    switch = arms()
    for arm in switch.values():
        arm()
        place(orders)  # warm: statements are compiled and remembered
    ratios, without = [], []
    for pair in range(pairs):
        took = {}
        for name in ("on", "off") if pair % 2 else ("off", "on"):
            switch[name]()
            began = time.process_time()
            place(orders)
            took[name] = time.process_time() - began
        ratios.append(took["on"] / took["off"])
        without.append(took["off"] / orders * 1_000)
    return ratios, statistics.median(without)


def alone(place: Callable[[int], None], rounds: int = 2_000) -> float:
    """Return the microseconds of CPU that the wrapper itself takes for the statements of one order."""
    from django.db import connections

    from fissile.data.guard import StatementGuard, writing

    statements: list[str] = []

    def listen(execute: Any, sql: str, *rest: Any) -> Any:
        statements.append(sql)
        return execute(sql, *rest)

    with connections["orders"].execute_wrapper(listen):
        place(1)
    watch = StatementGuard(connections["orders"])

    def run(call: Callable[[str], Any]) -> float:
        began = time.process_time()
        for _ in range(rounds):
            for sql in statements:
                call(sql)
        return time.process_time() - began

    with writing("orders"):
        return (run(lambda sql: watch(_nothing, sql, None, False, None)) - run(_nothing)) / rounds * 1_000_000


def _nothing(*_: Any) -> None:
    """Stand in for the database."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--orders", type=int, default=10)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fissile-guard-cost-") as state_dir:
        place = prepare(state_dir)
        ratios, milliseconds = measure(place, asked.pairs, asked.orders)
        microseconds = alone(place)
        first, median, third = statistics.quantiles(ratios, n=4)
    print(
        f"CPU of an order, guard on / off: median {median:.4f}, middle half {first:.4f} to {third:.4f}, "
        f"all {min(ratios):.4f} to {max(ratios):.4f}; {asked.pairs} pairs of {asked.orders} orders, "
        f"{milliseconds:.2f} ms without; the wrapper alone {microseconds:.1f} µs an order; "
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"
    )


if __name__ == "__main__":
    main()
