"""One context's ties, by neighbour and channel: those that it declares, and those that hold it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from fissile.contexts.declaration import Context

from .findings import Finding
from .rules import CHANNELS
from .survey import Survey
from .wording import place, tally


def document(seen: Survey, name: str) -> dict[str, Any]:
    """Return what `name` reaches for, who reaches for it, what holds it without a neighbour, and what it declares."""
    score = next(one for one in seen.scores if one.name == name)
    declaration = seen.project.get(name).declaration
    own = [finding for finding in seen.findings if finding.context == name]
    inward = [finding for finding in seen.findings if finding.other == name != finding.context]
    return {
        "context": name,
        "package": score.package,
        "blockers": score.blockers,
        "can_leave": score.can_leave,
        "declared": _declared(declaration) if declaration else None,
        "reaches_out": _by_channel(seen, ((one.other, one) for one in own if one.other)),
        "reached_into": _by_channel(seen, ((one.context, one) for one in inward)),
        "alone": _by_channel(seen, (("", one) for one in own if not one.other)),
    }


def text(ties: dict[str, Any]) -> str:
    """Return the same as text."""
    held = "can leave" if ties["can_leave"] else f"cannot leave: {tally(ties['blockers'], 'blocker')}"
    lines = [f"{ties['context']} ({ties['package']}) {held}"]
    if ties["declared"]:
        lines += ["", "Declared, and cut with it by settings alone"]
        lines += [f"  {kind:<10} {', '.join(names) or 'nothing'}" for kind, names in ties["declared"].items()]
    for key, title in (
        ("reaches_out", "Reaches out to"),
        ("reached_into", "Reached into by"),
        ("alone", "Holds it by itself"),
    ):
        lines += ["", title] if ties[key] else []
        for tie in ties[key]:
            lines.append(f"  {tie['context'] or ties['context']} by {tie['channel']}: {_severities(tie)}")
            lines += [f"    {one['rule']} {one['path']}:{one['line']} {one['what']}" for one in tie["places"]]
    return "\n".join(lines)


def _severities(tie: dict[str, Any]) -> str:
    words = [tally(tie["blockers"], "blocker")] if tie["blockers"] else []
    return ", ".join(words + ([tally(tie["advice"], "advisory finding")] if tie["advice"] else []))


def _declared(says: Context) -> dict[str, list[str]]:
    takes = [f"{command} from {', '.join(senders) or 'nobody'}" for command, senders in sorted(says.takes.items())]
    offers = [f"{function} to {', '.join(callers) or 'nobody'}" for function, callers in sorted(says.offers.items())]
    return {
        "asks": sorted(says.asks),
        "consumes": sorted(says.consumes),
        "offers": offers,
        "publishes": sorted(says.publishes),
        "requests": sorted(says.requests),
        "sends": sorted(says.sends),
        "takes": takes,
    }


def _by_channel(seen: Survey, found: Iterable[tuple[str, Finding]]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for neighbour, finding in found:
        groups[neighbour, CHANNELS[finding.rule_id]].append(finding)
    return [_group(seen, neighbour, channel, groups[neighbour, channel]) for neighbour, channel in sorted(groups)]


def _group(seen: Survey, neighbour: str, channel: str, found: list[Finding]) -> dict[str, Any]:
    blockers = sum(seen.is_blocker(finding) for finding in found)
    places = [{"rule": one.rule_id, "path": place(one.path), "line": one.line, "what": one.what} for one in found]
    return {
        "context": neighbour,
        "channel": channel,
        "blockers": blockers,
        "advice": len(found) - blockers,
        "places": places,
    }
