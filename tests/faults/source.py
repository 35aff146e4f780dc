"""Which source a result is about: a short hash of all that takes part. May touch: source files, to read them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.filed import fingerprint_of
from tests.house import ROOT

# Whoever changes one of these has the runs repeated.
SOURCES = (
    "platform/fissile/data",
    "platform/fissile/events",
    "platform/fissile/calls",
    "apps",
    "bff_app",
    "tests/faults",
)
# The page tells of results, the campaign says which are wanted; the simulation has a hash of its own.
_OTHERS = ("page.py", "measured.py", "campaign.py", "__main__.py", "simulation/")
# Takes part in these rows and in no other.
_OF_ROWS = {
    "crashing.py": ("F01",),
    "relays.py": ("F02", "F28"),
    "worker_kills.py": ("F03",),
    "broken_stores.py": ("F05", "F05-outage", "F05-full", "F06", "F07", "F08", "F10"),
    "node.py": ("F05", "F05-outage", "F05-full", "F06", "F07", "F08", "F10"),
    "broker_away.py": ("F05-outage", "F05-full", "F06", "F07", "F08"),
    "link.py": ("F08",),
    "poison.py": ("F17",),
    "replay.py": ("F18",),
}
_OURS = "tests/faults/"


@cache
def fingerprint(row: str) -> str:
    """Return the hash of what takes part in a row."""
    return fingerprint_of(_files(row))


def _files(row: str) -> Iterator[Path]:
    for folder in SOURCES:
        for file in (ROOT / folder).rglob("*.py"):
            name = file.relative_to(ROOT).as_posix()
            if _takes_part(name, row) and "/tests/" not in name and not file.name.startswith("test_"):
                yield file


def _takes_part(name: str, row: str) -> bool:
    if not name.startswith(_OURS):
        return True
    ours = name.removeprefix(_OURS)
    return not ours.startswith(_OTHERS) and row in _OF_ROWS.get(ours, (row,))
