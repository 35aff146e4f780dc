"""Draws findings of the boundary gate to be judged by hand, and counts the verdicts. Asserts nothing.

By hand: `python -m tests.bench.gate_sample draw show.json --seed 7` prints a sample of what `manage.py boundaries
show --json` printed; `python -m tests.bench.gate_sample rates` writes the tables of the page from the committed CSV.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from math import sqrt
from pathlib import Path
from typing import Any

from tests.architecture.house_map import table

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
VERDICTS, PAGE = REFERENCE / "boundaries-on-strangers.csv", REFERENCE / "boundaries-on-strangers.md"
START, END = "<!-- rates: python -m tests.bench.gate_sample rates -->\n", "<!-- end of rates -->\n"
_IMPORT, _ALL = "BND001", "**all**"
_Z = 1.959964  # two-sided 95 %


def findings(text: str) -> list[dict[str, Any]]:
    """Return the findings of a document, in an order that is the same wherever the project is installed.

    What the project itself prints before the document is skipped.
    """
    document = json.loads(text[text.index('{"schema"') :])
    found = [{**each, "file": each["path"].rpartition("site-packages/")[2]} for each in document["data"]["findings"]]
    return sorted(found, key=lambda one: (one["file"], one["line"], one["rule"], one["other"]))


def draw(found: list[dict[str, Any]], *, seed: int, size: int, past_imports: bool) -> list[dict[str, Any]]:
    """Return the sample, in the order drawn; all findings where there are no more than `size`."""
    chosen = [one for one in found if not (past_imports and one["rule"] == _IMPORT)]
    return random.Random(seed).sample(chosen, min(size, len(chosen)))


def interval(wrong: int, of: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share."""
    share, weight = wrong / of, 1 + _Z * _Z / of
    middle = (share + _Z * _Z / (2 * of)) / weight
    half = _Z / weight * sqrt(share * (1 - share) / of + _Z * _Z / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def rates() -> str:
    """Return the tables: by project and sample, and by rule, of the verdicts that are committed."""
    with VERDICTS.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    of, wrong = Counter(_groups(rows)), Counter(_groups(row for row in rows if row["verdict"] == "wrong"))
    samples = list(dict.fromkeys(group[:2] for group in of))
    groups = sorted(of, key=lambda group: (samples.index(group[:2]), group[2] == _ALL))
    by_project = [(*group, *_rate(wrong[group], of[group])) for group in groups]
    counted = [row for row in rows if row["set"] != "tuning"]
    rules = Counter(row["rule"] for row in counted)
    wrong_rules = Counter(row["rule"] for row in counted if row["verdict"] == "wrong")
    by_rule = [(f"`{rule}`", *_rate(wrong_rules[rule], rules[rule])) for rule in sorted(rules)]
    return "\n".join(
        [
            *table(("set", "sample", "project", "seed", "judged", "wrong", "rate", "95 %"), by_project),
            "By rule, over the fresh and the held-out samples:\n",
            *table(("rule", "judged", "wrong", "rate", "95 %"), by_rule),
        ]
    )


def page() -> str:
    """Return the committed page with the present tables in it."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    return f"{before}{START}{rates()}{END}{rest.partition(END)[2]}"


def _groups(rows: Iterable[dict[str, str]]) -> Iterator[tuple[str, str, str, str]]:
    for row in rows:
        yield row["set"], row["sample"], f"{row['project']} {row['version']}", row["seed"]
        yield row["set"], row["sample"], _ALL, row["seed"]


def _rate(wrong: int, of: int) -> tuple[str, str, str, str]:
    low, high = interval(wrong, of)
    return str(of), str(wrong), f"{wrong / of:.1%}", f"{low:.1%} to {high:.1%}"


def _print_sample(options: argparse.Namespace) -> None:
    found = findings(options.document.read_text(encoding="utf-8"))
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(("rule", "file", "line", "context", "other", "what"))
    for one in draw(found, seed=options.seed, size=options.size, past_imports=options.past_imports):
        rows.writerow((one["rule"], one["file"], one["line"], one["context"], one["other"], one["what"]))


def main() -> int:
    """Print a sample, or write the tables into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    drawing = commands.add_parser("draw", help="print a sample as CSV")
    drawing.add_argument("document", type=Path, help="what `manage.py boundaries show --json` printed")
    drawing.add_argument("--seed", type=int, required=True)
    drawing.add_argument("--size", type=int, default=30)
    drawing.add_argument("--past-imports", action="store_true", help=f"draw from all rules but {_IMPORT}")
    commands.add_parser("rates", help="write the tables of the page")
    options = parser.parse_args()
    if options.command == "draw":
        _print_sample(options)
    else:
        PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
