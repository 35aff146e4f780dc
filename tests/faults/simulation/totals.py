"""What campaigns over one source have shown: added up from results files, kept in totals.json, quoted by the page.

May touch: totals.json beside this file and the figures of docs/reference/simulation.md.
"""

from __future__ import annotations

import json
import os
import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .campaign import Outcome, lines_of
from .pairs import PAIRS
from .parts import fingerprint

TOTALS = Path(__file__).with_name("totals.json")
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "simulation.md"
BEGINS, ENDS = "<!-- figures: written by --file -->\n", "<!-- end of figures -->\n"
Span = tuple[int, int]


class Overlap(ValueError):
    """A results file and what is filed share some seeds: counted twice, they would say more than was run."""


def added_up(files: Iterable[Path], filed: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the totals of the results that are about the present source, with what is filed of the same source.

    Lines whose seeds are all filed are left out, so a file may be filed again; raise Overlap.
    """
    total, spans = Outcome(), []
    if filed and filed["source"] == fingerprint():
        total.add({**filed, "failures": [{}] * filed["broken"], "points": {}, "crashed": filed["killed_at"]})
        spans = [(first, last) for first, last in filed["seeds"]]
    before = list(spans)
    for line in (line for path in files for line in lines_of(path)):
        first, last = line["seeds"]
        if any(low <= first and last <= high for low, high in before):
            continue
        if any(low <= last and first <= high for low, high in spans):
            raise Overlap(f"seeds {first} to {last} are counted already, all or some of them")
        spans.append((first, last))
        total.add(line)
    crashed = {pair: total.crashed[pair] for pair in sorted(" ".join(pair) for pair in PAIRS)}
    return {
        "source": fingerprint(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "seeds": joined(spans),
        "schedules": total.schedules,
        "steps": total.steps,
        "broken": len(total.failures),
        "killed_at": crashed,
    }


def joined(spans: Sequence[Span]) -> list[Span]:
    """Return the same seeds in as few spans as can be, in order."""
    together: list[Span] = []
    for first, last in sorted(spans):
        if together and first == together[-1][1] + 1:
            together[-1] = (together[-1][0], last)
        else:
            together.append((first, last))
    return together


def figures(totals: dict[str, Any]) -> str:
    """Return what the page says of them."""
    kills = Counter(totals["killed_at"])
    seeds = ", ".join(f"{first} to {last}" for first, last in totals["seeds"])
    return (
        f"**{totals['schedules']:,} schedules, {totals['broken']:,} broken invariants**, {totals['steps']:,} steps.\n"
        f"Processes were killed {sum(kills.values()):,} times inside an effect, at {sum(map(bool, kills.values()))} "
        f"of {len(PAIRS)} (state, effect) pairs, {min(kills.values()):,} times at the rarest.\n\n"
        f"Seeds {seeds}; on {totals['machine']}; source `{totals['source']}`.\n"
    )


def file(paths: Sequence[Path]) -> dict[str, Any]:
    """Add results to totals.json, have the page quote it, and return it; raise Overlap."""
    totals = added_up(paths, json.loads(TOTALS.read_text()) if TOTALS.exists() else None)
    TOTALS.write_text(json.dumps(totals, indent=2) + "\n")
    head, _, rest = PAGE.read_text().partition(BEGINS)
    PAGE.write_text(f"{head}{BEGINS}{figures(totals)}{ENDS}{rest.partition(ENDS)[2]}")
    return totals
