"""Runs a plan over cuts of the shop and compares each with the first.

May touch: whole houses, one after the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from deploy.local.house import TOPOLOGIES
from tests.house import running_house
from tests.topologies.differences import Comparison, compare
from tests.topologies.plan import Plan
from tests.topologies.playing import play
from tests.topologies.seen import Seen, seen

Cell = tuple[str, str]  # cut, tier
CUTS = tuple(TOPOLOGIES)
# Every cut where databases, accounts and broker are separate, and both ends where nothing need be installed.
EVERYTHING: tuple[Cell, ...] = (
    ("monolith", "embedded"),
    ("split", "embedded"),
    *((cut, "real") for cut in CUTS),
)


@dataclass(kw_only=True)
class Result:
    """A plan over several cuts: the reference run, and every other cut held against it."""

    plan: Plan
    reference: Seen
    comparisons: list[Comparison] = field(default_factory=list)
    # How long each cut took, its start and stop included.
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def is_same(self) -> bool:
        """True if no cut differs and every run came to its end."""
        return not self.reference.unrest and all(comparison.is_same for comparison in self.comparisons)


def run(
    plan: Plan,
    cells: Sequence[Cell],
    *,
    reference: Result | None = None,
    patches: Mapping[str, str] | None = None,
    extra: Mapping[str, Mapping[str, str]] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Result:
    """Play the plan in every cell and compare each with the first, or with the reference of an earlier result.

    `patches` and `extra` as for a house. `say` gets a line as soon as a cell is done.
    """
    if reference is None:
        found, seconds = _timed(plan, cells[0], patches, extra)
        result = Result(plan=plan, reference=found, seconds={found.name: seconds})
        say(line_of(found, None, seconds))
    else:
        result = Result(plan=plan, reference=reference.reference, seconds=dict(reference.seconds))
    for cell in cells if reference else cells[1:]:
        found, seconds = _timed(plan, cell, patches, extra)
        comparison = compare(plan, result.reference, found)
        result.comparisons.append(comparison)
        result.seconds[found.name] = seconds
        say(line_of(found, comparison, seconds))
    return result


def line_of(found: Seen, comparison: Comparison | None, seconds: float) -> str:
    """Return a cut as one line of the table: its name, what was compared, what differs, how long it took."""
    if comparison is None:
        counts = f"{len(found.answers)} answers, {sum(map(len, found.events.values()))} events"
        verdict = f"reference: {counts}, {sum(map(len, found.rows.values()))} rows"
    elif comparison.is_same:
        verdict = "the same"
    else:
        odd = [f"{len(comparison.of(part))} of {count} {part}" for part, count in comparison.compared.items()]
        verdict = f"DIFFERENT: {', '.join(odd)}"
    if found.asked_again:
        verdict += f" ({found.asked_again} requests sent again after `not now`)"
    return f"{found.name:24} {seconds:6.0f} s   {verdict}{'; ' + found.unrest if found.unrest else ''}"


def _timed(
    plan: Plan, cell: Cell, patches: Mapping[str, str] | None, extra: Mapping[str, Mapping[str, str]] | None
) -> tuple[Seen, float]:
    began = time.monotonic()
    with running_house(*cell, patches=patches, extra=extra) as house:
        found = seen(plan, play(plan, house))
    return found, time.monotonic() - began
