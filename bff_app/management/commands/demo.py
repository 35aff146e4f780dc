"""`manage.py demo`: the tour in the terminal, against a shop that runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import urllib3
from django.conf import settings
from django.core.management.base import CommandParser

from bff_app.management.shop import Shop, UnexpectedReply
from bff_app.management.tour import HOPS, HOPS_BEHIND_THE_GATEWAY, Tour
from fissile.management.cli import FINDINGS, UNREACHABLE, CliError, HouseCommand, Result


class Command(HouseCommand):
    """Walk the tour's steps; stop at the first that fails."""

    help = "Places an order, follows its event, sees it paid, presses again. Examples: demo · demo --url http://127.0.0.1:3000"
    spoken = "demo"

    def add_arguments(self, parser: CommandParser) -> None:
        """Where the shop is."""
        parser.add_argument("--url", help="the gateway, or a web process; default: the house that `make run` started")
        self.add_json(parser)

    def answer(self, **options: Any) -> Result:
        """Run the steps in order."""
        url = options["url"] or _running_house(settings.FISSILE["state_dir"])
        traces = settings.FISSILE["traces_file"]
        hops = HOPS_BEHIND_THE_GATEWAY if options["url"] else HOPS
        tour = Tour(shop=Shop(url=url), traces=traces if traces.exists() else None, hops=hops)
        lines, data = [], []
        for number, (title, step) in enumerate(tour.steps(), 1):
            try:
                seen = step()
            except UnexpectedReply as wrong:
                raise CliError(
                    "DEMO001", f"{number} {title}: {wrong}", where=url, code=FINDINGS, hint="look at .run/logs/"
                ) from wrong
            except urllib3.exceptions.HTTPError as down:
                raise CliError(
                    "DEMO002", f"Nobody answers at {url}.", where=url, code=UNREACHABLE, hint="start one: make run"
                ) from down
            lines.append(f"✔ {number} {title}: {seen.sentence}\n    {seen.look}")
            data.append({"step": number, "title": title, "seen": seen.sentence, "look": seen.look})
        return Result(data=data, text="\n".join(lines), next=["open the API docs: " + url + "/api/docs/"])


def _running_house(state_dir: Path) -> str:
    file = state_dir / "house.json"
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["gateway"])
    except (OSError, ValueError, KeyError):
        raise CliError(
            "DEMO003",
            "No running shop was found.",
            where=str(file),
            code=UNREACHABLE,
            hint="start one in another terminal: make run (or name it: demo --url http://127.0.0.1:3010)",
        ) from None
