"""One run of one row: a house, its clients, the fault, the drain, the checks; and the result as it is filed.

May touch: a house of its own per run; stores of the real tier through it.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bff_app.management.shop import UnexpectedReply
from deploy.local.house import SERVICES_DIR, credentials
from deploy.local.services.instance import write_private
from tests.house import RunningHouse, running_house

from . import checks
from .clients import StillUnknown
from .ground import Ground
from .journal import Journal
from .link import Link, link_to
from .reading import tapped
from .rows import ROWS, Control, Run
from .source import fingerprint

QUIET_SECONDS = 180.0
# A wrong design never becomes quiet: what is lost is waited for in vain.
QUIET_SECONDS_OF_A_CONTROL = 12.0


def run(asked: Run) -> dict[str, Any]:
    """Start a house, shop in it, inject the fault, let it drain, check; return the result as it is filed."""
    row = ROWS[asked.row]
    control = row.controls[asked.control] if asked.control else Control(patches={})
    patches = {**row.patches}
    for pattern, patch in control.patches.items():
        patches[pattern if pattern not in patches else f"{pattern}*"] = patch
    with _house(asked, patches) as (house, link), tapped(house) as taps:
        ground = Ground(house=house, taps=taps, seed=str(asked.seed), patches=control.patches, link=link)
        return run_in(ground, asked)


@contextmanager
def _house(asked: Run, patches: Mapping[str, str]) -> Iterator[tuple[RunningHouse, Link | None]]:
    row = ROWS[asked.row]
    with ExitStack() as stack:
        link, services_dir = None, SERVICES_DIR
        if row.has_link:
            link = stack.enter_context(link_to(credentials(SERVICES_DIR)["rabbitmq"]["port"], str(asked.seed)))
            services_dir = stack.enter_context(_leading_to(link))
        house = running_house(
            asked.topology,
            asked.tier,
            patches=patches,
            extra={"*": row.extra},
            with_crash_points=True,
            services_dir=services_dir,
        )
        yield stack.enter_context(house), link


@contextmanager
def _leading_to(link: Link) -> Iterator[Path]:
    """Make a folder whose credentials lead to the broker by way of the link."""
    with tempfile.TemporaryDirectory(prefix="fissile-link-") as folder:
        found = credentials(SERVICES_DIR)
        found["rabbitmq"]["port"] = link.port
        write_private(Path(folder) / "credentials.json", json.dumps(found))
        yield Path(folder)


def run_in(ground: Ground, asked: Run) -> dict[str, Any]:
    """Do what `run` does in a house that is there, made with the patches of the control."""
    row, source = ROWS[asked.row], fingerprint(asked.row)
    control = row.controls[asked.control].options if asked.control else {}
    options = {**row.options, **control, **asked.options}
    try:
        row.inject(ground, **options)
    except (StillUnknown, UnexpectedReply) as late:
        ground.journal.wrongs.append(("I10", str(late)))
    _drain(ground, QUIET_SECONDS_OF_A_CONTROL if asked.control else QUIET_SECONDS)
    found = checks.findings(ground.house, ground.journal, ground.taps, ground.poison)
    ground.journal.close(is_needed=bool(found.violations) and not asked.control)
    return _result(asked, source, ground.journal, found)


def _drain(ground: Ground, seconds: float) -> None:
    if ground.poison:
        return  # its own row has waited; quiet it never becomes
    try:
        ground.house.wait_quiet(seconds=seconds)
    except UnexpectedReply as late:
        ground.journal.wrongs.append(("I10", str(late)))


def _result(asked: Run, source: str, journal: Journal, found: checks.Findings) -> dict[str, Any]:
    told = found.publication
    faults: dict[str, int] = {}
    for fault in journal.kills:
        faults[fault.split(" ", 1)[0]] = faults.get(fault.split(" ", 1)[0], 0) + 1
    return {
        "row": asked.row,
        "topology": asked.topology,
        "tier": asked.tier,
        "seed": asked.seed,
        "control": asked.control,
        "source": source,
        "command": asked.command,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "faults": faults,
        "requests": {
            name: journal.counts[name] for name in ("wish", "attempt", "unknown", "retried", "doubled", "recovered")
        }
        | {"accepted": len(journal.accepted)},
        "events": {
            "committed": told.committed,
            "heard": told.heard,
            "lost": len(told.lost),
            "unexpected": len(told.unexpected),
            "duplicated": told.duplicated,
        },
        "figures": journal.figures,
        "violations": found.counts,
        "examples": [f"{invariant}: {sentence[:300]}" for invariant, sentence in found.violations[:5]],
    }
