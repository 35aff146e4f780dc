"""A survey as documents for programs and as text for people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from .findings import Finding
from .rules import CHANNELS
from .survey import Score, Survey
from .wording import place, table, tally


def document(seen: Survey, chosen: Iterable[Finding]) -> dict[str, Any]:
    """Return the scores of the whole project and the chosen findings."""
    return {
        "declared": seen.project.is_declared,
        "score": _totals(seen),
        "contexts": [_score(one) for one in seen.scores],
        "findings": [_finding(seen, finding) for finding in chosen],
        "baseline": _baseline(seen),
    }


def text(seen: Survey, chosen: Sequence[Finding]) -> str:
    """Return the scores as a table, then the chosen findings by context and rule."""
    rows = [
        (one.name, "yes" if one.can_leave else "no", one.blockers, one.reaches_out, one.reached_into, one.advice)
        for one in seen.scores
    ]
    lines = table(("context", "can leave", "blockers", "reaches out", "reached into", "advice"), rows)
    by_context = defaultdict(list)
    for finding in chosen:
        by_context[finding.context].append(finding)
    for context in sorted(by_context):
        lines += ["", context, *_by_rule(seen, by_context[context])]
    said = _totals(seen)
    return "\n".join(
        [
            *lines,
            "",
            f"{said['can_leave']} of {tally(said['contexts'], 'context')} can leave; "
            f"{tally(said['blockers'], 'blocker')}, {tally(said['advice'], 'advisory finding')}.",
        ]
    )


def _totals(seen: Survey) -> dict[str, int]:
    blockers = len(seen.blockers)
    return {
        "blockers": blockers,
        "advice": len(seen.findings) - blockers,
        "contexts": len(seen.scores),
        "can_leave": sum(one.can_leave for one in seen.scores),
    }


def _score(one: Score) -> dict[str, Any]:
    return {**asdict(one), "blockers": one.blockers, "can_leave": one.can_leave}


def _finding(seen: Survey, finding: Finding) -> dict[str, Any]:
    rule = seen.rule(finding)
    return {
        "rule": rule.id,
        "title": rule.title,
        "severity": "blocker" if seen.is_blocker(finding) else "advice",
        "channel": CHANNELS[rule.id],
        "context": finding.context,
        "other": finding.other,
        "path": place(finding.path),
        "line": finding.line,
        "what": finding.what,
        "why": rule.why,
        "fix": rule.fix,
        "known": finding in seen.compared.known,
    }


def _baseline(seen: Survey) -> dict[str, Any] | None:
    if seen.baseline is None:
        return None
    return {
        "path": place(seen.options.baseline),
        "known": len(seen.compared.known),
        "new": len(seen.compared.new),
        "unneeded": seen.compared.unneeded.total(),
    }


def _by_rule(seen: Survey, found: list[Finding]) -> list[str]:
    lines = []
    for rule_id in sorted({finding.rule_id for finding in found}):
        places = [finding for finding in found if finding.rule_id == rule_id]
        rule = seen.rule(places[0])
        kind = "blocker" if seen.is_blocker(places[0]) else "advice"
        lines += [f"  {rule_id} {rule.title} ({kind}, {len(places)})", f"    Why  {rule.why}", f"    Fix  {rule.fix}"]
        lines += [f"    {_place(seen, one)}" for one in places]
    return lines


def _place(seen: Survey, finding: Finding) -> str:
    is_new = seen.baseline is not None and finding in seen.compared.new
    return f"{place(finding.path)}:{finding.line} {finding.what}{'  [not in the baseline]' if is_new else ''}"
