"""The baseline: findings that a project knows and lives with, in a file that may only shrink.

Entries carry no line numbers, so that an edit above them changes nothing.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .findings import Finding
from .options import GateError

SCHEMA = "boundaries-baseline/1"


@dataclass(frozen=True, order=True)
class Entry:
    """What stays the same about a finding while its file is edited. `path` is relative to the baseline's folder."""

    context: str
    rule: str
    path: str
    other: str
    what: str


@dataclass(frozen=True)
class Baseline:
    """Known findings with their numbers, and the reason of each growth, oldest first."""

    path: Path
    entries: Counter[Entry] = field(default_factory=Counter)
    growth: tuple[dict[str, Any], ...] = ()

    def entry(self, finding: Finding) -> Entry:
        """Return a finding as this baseline would keep it."""
        path = Path(os.path.relpath(finding.path, self.path.parent)).as_posix()
        return Entry(finding.context, finding.rule_id, path, finding.other, finding.what)

    def text(self) -> str:
        """Return the file's text: sorted, so that the same findings give the same bytes."""
        rows = [{**asdict(entry), "count": count} for entry, count in sorted(self.entries.items())]
        document = {"schema": SCHEMA, "growth": list(self.growth), "findings": rows}
        return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Findings that the baseline knows, those it does not, and entries that nothing needs any more."""

    known: tuple[Finding, ...]
    new: tuple[Finding, ...]
    unneeded: Counter[Entry]


def load(path: Path) -> Baseline | None:
    """Return the committed baseline, None if there is none; raise GateError for a file that cannot be read."""
    if not path.exists():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA:
            raise ValueError(f"its schema is {document['schema']!r}, not {SCHEMA!r}")
        entries = Counter({_entry(row): int(row["count"]) for row in document["findings"]})
        return Baseline(path, entries, tuple(document["growth"]))
    except (OSError, ValueError, KeyError, TypeError) as wrong:
        raise GateError(
            f"{path} is no baseline: {type(wrong).__name__} {wrong}",
            hint="take it back from version control, or delete it and run: manage.py boundaries baseline",
        ) from wrong


def compare(baseline: Baseline, findings: Iterable[Finding], absent: Collection[str]) -> Comparison:
    """Return findings against a baseline.

    Of several alike, the first in the file are the known ones. Entries of `absent`
    contexts (not installed in this process) are neither needed nor unneeded.
    """
    left = Counter(baseline.entries)
    known, new = [], []
    for finding in findings:
        entry = baseline.entry(finding)
        if left[entry] > 0:
            left[entry] -= 1
            known.append(finding)
        else:
            new.append(finding)
    unneeded = Counter({entry: count for entry, count in left.items() if count > 0 and not _is_of(entry, absent)})
    return Comparison(known=tuple(known), new=tuple(new), unneeded=unneeded)


def following(
    path: Path, old: Baseline | None, findings: Iterable[Finding], absent: Collection[str], *, reason: str = ""
) -> Baseline:
    """Return the baseline of today's findings, with what is kept about `absent` contexts.

    A reason is written down where the file grows.
    """
    empty = Baseline(path)
    entries = Counter(empty.entry(finding) for finding in findings)
    if old is None:
        return Baseline(path, entries)
    for entry, count in old.entries.items():
        if _is_of(entry, absent):
            entries[entry] = max(entries[entry], count)
    added = (entries - old.entries).total()
    growth = (*old.growth, {"added": added, "reason": reason}) if added else old.growth
    return Baseline(path, entries, growth)


def _is_of(entry: Entry, contexts: Collection[str]) -> bool:
    return entry.context in contexts or entry.other in contexts


def _entry(row: dict[str, Any]) -> Entry:
    return Entry(*(str(row[name]) for name in ("context", "rule", "path", "other", "what")))
