"""`make parity`: the workload over every cut, a table, a report, exit code 3 if anything differs.

May touch: whole houses, the reports' folder (.run/parity).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.house import ROOT, real_tier_missing
from tests.topologies import report
from tests.topologies.normalised import RULES
from tests.topologies.planted import SHORTCUTS
from tests.topologies.suite import CUTS, EVERYTHING, Cell, Result, run
from tests.topologies.workload import workload

FOLDER = ROOT / ".run" / "parity"
DIFFERENT = 3
NOT_RUN = 2
# Of each cut, in the terminal; the report has all of them.
MOST_PRINTED = 5


def main(words: list[str] | None = None) -> int:
    """Run what the arguments ask for; return 0, 3 if something differs, 2 if the tier cannot be had."""
    asked = _arguments(words)
    if asked.shortcuts is not None:
        return _shortcuts(asked.shortcuts)
    cells = cells_of(asked.tier, asked.cuts)
    if any(tier == "real" for _, tier in cells) and (why := real_tier_missing()):
        print(f"The real tier cannot be had: {why}. Fix: make services, or TIER=embedded", file=sys.stderr)
        return NOT_RUN
    plan = workload(asked.seed, asked.requests)
    print(f"parity: seed {asked.seed}, {len(plan.steps())} requests in {len(plan.rounds)} rounds", flush=True)
    result = run(plan, cells, say=lambda line: print(line, flush=True))
    _print_what_is_odd(result)
    page = write(result, FOLDER, f"seed-{asked.seed}")
    again = command(asked.seed, asked.requests, asked.tier, asked.cuts)
    print(f"report: {page.relative_to(ROOT)} and .json; again: {again}")
    return 0 if result.is_same else DIFFERENT


def write(result: Result, folder: Path, name: str) -> Path:
    """Write both reports; return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(report.as_json(result), encoding="utf-8")
    page = folder / f"{name}.html"
    page.write_text(report.as_html(result), encoding="utf-8")
    return page


def _shortcuts(names: list[str]) -> int:
    """Run every shortcut in every cut of the embedded tier; each must be seen exactly where it breaks something."""
    unseen = 0
    for shortcut in SHORTCUTS:
        if names and shortcut.plant not in names:
            continue
        print(f"\n{shortcut.plant}: {shortcut.says}; must break {', '.join(sorted(shortcut.breaks))}", flush=True)
        result = shortcut.run([(cut, "embedded") for cut in CUTS], say=lambda line: print(line, flush=True))
        for comparison in result.comparisons[-1:]:
            print(f"  for instance: {comparison.cut.name}: {comparison.differences[0]}"[:400])
        write(result, FOLDER, f"shortcut-{shortcut.plant}")
        wrong = shortcut.misjudged(result)
        unseen += bool(wrong)
        print("  seen exactly where it breaks" if not wrong else f"  MISJUDGED: {'; '.join(wrong)}", flush=True)
    return DIFFERENT if unseen else 0


def _print_what_is_odd(result: Result) -> None:
    for found in (result.reference, *(comparison.cut for comparison in result.comparisons)):
        for sentence in found.strange[:MOST_PRINTED]:
            print(f"{found.name}: {sentence}; compared as it is")
    if unmet := [rule for rule in RULES if rule != "late" and not result.reference.met[rule]]:
        print(f"rules that met nothing: {', '.join(unmet)}")
    for comparison in result.comparisons:
        for difference in comparison.differences[:MOST_PRINTED]:
            print(f"{comparison.cut.name}: {difference}")
        if len(comparison.differences) > MOST_PRINTED:
            print(f"{comparison.cut.name}: and {len(comparison.differences) - MOST_PRINTED} more")


def cells_of(tier: str | None, cuts: list[str]) -> list[Cell]:
    """Return the cells to run, a monolith first: all of `EVERYTHING`, or the cuts on one tier."""
    wanted = [(cut, tier) for cut in CUTS] if tier else list(EVERYTHING)
    reference, *others = [cell for cell in wanted if cell[0] == "monolith"]
    return [reference, *(cell for cell in wanted if cell in others or (cell[0] != "monolith" and cell[0] in cuts))]


def command(seed: int, requests: int, tier: str | None, cuts: list[str]) -> str:
    """Return the words that run exactly this again."""
    words = ["make parity", f"SEED={seed}", f"REQUESTS={requests}"]
    if tier:
        words.append(f"TIER={tier}")
    if set(cuts) < set(CUTS):
        words.append(f'CUTS="{" ".join(cuts)}"')
    return " ".join(words)


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="parity", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--tier", choices=["embedded", "real"], help="every cut on one tier; else both, see docs")
    parser.add_argument("--cuts", nargs="+", choices=CUTS, default=list(CUTS), help="besides the monolith")
    parser.add_argument("--shortcuts", nargs="*", metavar="NAME", help="the planted shortcuts instead (all, or these)")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
