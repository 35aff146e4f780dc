"""Writes the table of rules in docs/reference/boundaries.md: `python -m tests.architecture.boundary_rules --write`."""

from __future__ import annotations

import argparse
import sys
from html import escape
from pathlib import Path

from fissile.gate.findings import Rule
from fissile.gate.rules import CHANNELS, RULES

from .house_map import table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "boundaries.md"
START, END = "<!-- rules: python -m tests.architecture.boundary_rules --write -->\n", "<!-- end of rules -->\n"


def rules() -> str:
    """Return the table of all rules."""
    rows = [
        (f"`{one.id}`", *(escape(text, quote=False) for text in (one.title, _kind(one), one.why, one.fix)),
         f"`{CHANNELS[one.id]}`")
        for one in RULES.values()
    ]  # fmt: skip
    return "\n".join(table(("id", "what", "kind", "why", "fix", "seen by"), sorted(rows)))


def page() -> str:
    """Return the committed page with the present table in it."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    return f"{before}{START}{rules()}{END}{rest.partition(END)[2]}"


def _kind(rule: Rule) -> str:
    if not rule.is_blocker:
        return "advice"
    return "where declared" if rule.is_advice_undeclared else "blocker"


def main() -> int:
    """Print the table, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/reference/boundaries.md")
    if parser.parse_args().write:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(rules())
    return 0


if __name__ == "__main__":
    sys.exit(main())
