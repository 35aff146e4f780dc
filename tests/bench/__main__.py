"""The speed table by hand: `python -m tests.bench relay inbox --rounds 5 --messages 5000`. Asserts no time.

Needs the private servers (`SERVICES_DIR`); writes a JSON file a row to .run/bench/results, and prints the table.
Exit 1: messages were lost, doubled or reordered, and the row has no figures.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tests.house import ROOT

from . import ground, page
from .campaign import ROUNDS, measure
from .counting import Difference
from .table import ROWS
from .worker import working

RESULTS = ROOT / ".run" / "bench" / "results"


def main() -> int:
    """Measure the rows that are asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; all by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, help="of a round, in the rows that have messages")
    parser.add_argument("--rows", dest="backlog", type=int, help="of the backlog")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    if unknown := set(asked.rows) - set(ROWS):
        parser.error(f"no row {', '.join(sorted(unknown))}; the rows are {', '.join(ROWS)}")
    asked.results.mkdir(parents=True, exist_ok=True)
    wrong = 0
    with ground.ground() as attached, working() as worker:
        for name in asked.rows or [name for name in ROWS if name in ROUNDS]:
            count = asked.backlog if name == "backlog" else asked.messages
            try:
                result = measure(name, worker, attached, rounds=asked.rounds, messages=count, seed=asked.seed)
            except Difference as found:
                print(f"bench: {name}: {found}", file=sys.stderr)
                wrong += 1
                continue
            _file(asked.results / f"{name}.json", result)
    return int(wrong > 0)


def _file(path: Path, result: dict[str, Any]) -> None:
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(page.of_row(result["row"], result), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
