"""Orders per second, lag to the dashboard and memory per process, in the four cells. Prints one table.

By hand: `python -m tests.bench.four_cells --seconds 10 --clients 8`. The clients share the machine with the
shop, so compare cells of one run with each other and nothing else. Asserts nothing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bff_app.management.shop import Person, expect
from tests.house import CELLS, RunningHouse, running_house


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one cell did. Times in milliseconds, memory in MiB of proportional set size."""

    cell: str
    orders_per_second: float
    place_p50: float
    place_p99: float
    lag_p50: float
    memory: dict[str, float]


def measure(house: RunningHouse, seconds: float, clients: int) -> Figures:
    """Place orders as fast as `clients` can for `seconds`, then take lag and memory in the quiet after."""
    people = [house.shop.sign_up(f"Client {n}") for n in range(clients)]
    for person in people:
        expect(house.shop.place(person), 201)
    began = time.monotonic()
    with ThreadPoolExecutor(clients) as crowd:
        took = [ms for each in crowd.map(lambda who: _place_for(house, who, seconds), people) for ms in each]
    rate = len(took) / (time.monotonic() - began)
    took.sort()
    _drained(house)
    lags = [_lag(house, people[0]) for _ in range(20)]
    return Figures(
        cell=f"{house.topology} {house.tier}",
        orders_per_second=rate,
        place_p50=statistics.median(took),
        place_p99=took[int(len(took) * 0.99)],
        lag_p50=statistics.median(lags),
        memory={name: _memory(house.processes.pid(name)) for name in house.processes.names},
    )


def _place_for(house: RunningHouse, who: Person, seconds: float) -> list[float]:
    took, end = [], time.monotonic() + seconds
    while (began := time.monotonic()) < end:
        expect(house.shop.place(who, {"chisel": 1}), 201)
        took.append((time.monotonic() - began) * 1000)
    return took


def _drained(house: RunningHouse) -> None:
    deadline = time.monotonic() + 120
    while house.rows("orders", "SELECT count(*) FROM orders_outbox WHERE sent_at IS NULL") != [(0,)]:
        if time.monotonic() > deadline:
            raise TimeoutError("the outbox did not drain within 120 s")
        time.sleep(0.1)


def _lag(house: RunningHouse, who: Person) -> float:
    order = expect(house.shop.place(who, {"chisel": 1}), 201).body["id"]
    began = time.monotonic()
    while house.shop.seen_on_dashboard(who, order) is None:
        if time.monotonic() - began > 30:
            raise TimeoutError(f"order {order} is not on the dashboard after 30 s")
    return (time.monotonic() - began) * 1000


def _memory(group: int) -> float:
    """Return the proportional set size of a process group, so that shared pages count once."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(process.name)) != group:
                continue
            rollup = (process / "smaps_rollup").read_text()
        except (OSError, ValueError):
            continue
        total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total / 1024


def main() -> None:
    """Measure every cell and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--tier", choices=("embedded", "real"), help="one tier only")
    asked = parser.parse_args()
    print("| cell | orders/s | place p50 / p99 ms | order → dashboard p50 ms | memory MiB (PSS) |")
    print("|---|---|---|---|---|")
    for topology, tier in [cell for cell in CELLS if not asked.tier or cell[1] == asked.tier]:
        with running_house(topology, tier) as house:
            found = measure(house, asked.seconds, asked.clients)
        memory = " · ".join(f"{name} {mib:.0f}" for name, mib in found.memory.items())
        print(
            f"| {found.cell} | {found.orders_per_second:.0f} | {found.place_p50:.0f} / {found.place_p99:.0f} "
            f"| {found.lag_p50:.0f} | {memory} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
