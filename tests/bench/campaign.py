"""Rounds of one row, and the result that is filed: every variant in each round, the circumstances beside them.

May touch: the ground, through a round.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from . import ground, measures, timed
from .measures import Bench, Figures
from .source import fingerprint
from .worker import Worker

# Row → one round of it, and how many messages it has by default.
ROUNDS: Mapping[str, tuple[Callable[[Bench], Figures], int]] = {
    "relay": (measures.relay, 5_000),
    "inbox": (measures.inbox, 5_000),
    "latency": (timed.latency, 800),
    "wakeup": (timed.wakeup, 1),
    "backlog": (measures.backlog, 100_000),
}
# Rows whose loops are profiled once more after the rounds.
PROFILED = ("relay", "inbox", "latency", "backlog")
# Before the rounds, not counted: statements are compiled and remembered.
WARM = 200
# More would only take longer: a profiled loop is several times slower.
MOST_PROFILED = 1_000


def measure(
    row: str, worker: Worker, attached: ground.Attached, *, rounds: int, messages: int | None, seed: int
) -> dict[str, Any]:
    """Return the result of a row; raise Difference if any variant's counts do not add up."""
    one_round, default = ROUNDS[row]
    count = messages or default
    one_round(Bench(worker=worker, attached=attached, messages=min(count, WARM), seed=seed))
    before, found = os.getloadavg(), []
    for number in range(rounds):
        bench = Bench(worker=worker, attached=attached, messages=count, seed=seed * 1_000 + number)
        found.append({name: round(figure, 3) for name, figure in one_round(bench).items()})
        print(f"{row}: round {number + 1} of {rounds}: {found[-1]}", file=sys.stderr, flush=True)
    after = os.getloadavg()
    result = {
        "row": row,
        "command": f"python -m tests.bench {row} --rounds {rounds} --messages {count} --seed {seed}",
        "seed": seed,
        "messages": count,
        **ground.circumstances(),
        "source": fingerprint(),
        "load": {"before": before, "after": after},
        "rounds": found,
    }
    if row in PROFILED:
        bench = Bench(worker=worker, attached=attached, messages=min(count, MOST_PROFILED), seed=seed, profile={})
        one_round(bench)
        result["profile"] = bench.profile
    return result
