"""Faults by hand: `python -m tests.faults run F01 --topology split --tier real --seed 1`, `… quick`, `… full`.

run: one run; prints its result. quick, full: every run of the list that has no result yet, a file each.
Exit 0: the shop's own design held and each control was caught. Exit 1: not so.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from . import campaign
from .rows import ROWS, Run
from .running import run


def main() -> int:
    """Do what was asked."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    once = commands.add_parser("run", help="one run of one row")
    once.add_argument("row", choices=ROWS)
    once.add_argument("--topology", default="monolith")
    once.add_argument("--tier", choices=("embedded", "real"), default="embedded")
    once.add_argument("--seed", type=int, default=1)
    once.add_argument("--control", default="", help="a wrong design, which must be caught")
    once.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="an option of the row, its value in JSON"
    )
    once.add_argument("--file", type=Path, help="write the result there, too")
    for name in campaign.LISTS:
        many = commands.add_parser(name)
        many.add_argument("--results", type=Path, default=campaign.RESULTS)
        many.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
        many.add_argument("--tiers", nargs="+", choices=("embedded", "real"), default=["embedded", "real"])
    asked = parser.parse_args()
    if asked.command == "run":
        return _once(asked)
    return campaign.work_off(campaign.LISTS[asked.command](), asked.results, rows=asked.rows, tiers=asked.tiers)


def _once(asked: argparse.Namespace) -> int:
    options = {name: json.loads(value) for name, value in (one.split("=", 1) for one in asked.set)}
    place = {name: getattr(asked, name) for name in ("row", "topology", "tier", "seed", "control")}
    result = run(Run(**place, options=options))
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    print(text, end="")
    if asked.file:
        asked.file.write_text(text, encoding="utf-8")
    return int(not campaign.is_good(result))


if __name__ == "__main__":
    raise SystemExit(main())
