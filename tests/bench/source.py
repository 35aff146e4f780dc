"""Which source a result is about: a short hash of all that is measured. May touch: source files, to read them."""

from __future__ import annotations

from functools import cache

from tests.filed import fingerprint_of
from tests.house import ROOT

SOURCES = ("platform/fissile/data", "platform/fissile/events", "platform/fissile/messages", "platform/fissile/watch")


@cache
def fingerprint() -> str:
    """Return the hash."""
    return fingerprint_of(file for folder in SOURCES for file in (ROOT / folder).rglob("*.py"))
