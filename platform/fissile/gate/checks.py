"""The gate as Django system checks, tag `boundaries`. Costs nothing until the check runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Info, Warning

from .wording import place, tally

if TYPE_CHECKING:
    from .findings import Finding
    from .survey import Survey

# The ids of what is no finding; findings are fissile.BND001 and so on.
UNREADABLE, SUMMARY, UNNEEDED = "fissile.gate.E001", "fissile.gate.I001", "fissile.gate.W001"


def boundaries(app_configs: Sequence[AppConfig] | None = None, **_: Any) -> list[CheckMessage]:
    """Return an error per new blocker and a warning per new advice; one line of summary where nothing is enforced.

    Given apps, only what their contexts reach for.
    """
    # Not above: grimp and the fifteen checks are loaded only by who asks for them.
    from .options import GateError
    from .survey import survey

    try:
        seen = survey()
    except GateError as wrong:
        # Whoever only added a settings line keeps a project that starts.
        from fissile.contexts import registry

        kind = Error if registry.installed() else Warning
        return [kind(str(wrong), hint=wrong.hint, id=UNREADABLE)]
    if not seen.is_enforced:
        return [_summary(seen)] if seen.findings else []
    messages = [_message(seen, finding) for finding in _of(seen, seen.compared.new, app_configs)]
    if app_configs is None and seen.compared.unneeded:
        messages.append(_unneeded(seen))
    return messages


def _of(seen: Survey, found: Iterable[Finding], configs: Sequence[AppConfig] | None) -> list[Finding]:
    if configs is None:
        return list(found)
    names = {config.label for config in configs}
    names |= {context.name for context in seen.project.contexts if names & context.labels}
    return [finding for finding in found if finding.context in names]


def _message(seen: Survey, finding: Finding) -> CheckMessage:
    rule = seen.rule(finding)
    kind = Error if seen.is_blocker(finding) else Warning
    return kind(
        f"{place(finding.path)}:{finding.line} {finding.what}",
        hint=f"{rule.why} Fix: {rule.fix}. More: manage.py explain {rule.id}",
        obj=finding.context,
        id=f"fissile.{rule.id}",
    )


def _summary(seen: Survey) -> CheckMessage:
    blockers, contexts = len(seen.blockers), len(seen.project.contexts)
    advice = len(seen.findings) - blockers
    found = f"{tally(blockers, 'blocker')} and {tally(advice, 'advisory finding')} in {tally(contexts, 'context')}"
    return Info(
        f"boundaries: {found}",
        hint="See them: manage.py boundaries show. Refuse new ones from now on: manage.py boundaries baseline",
        id=SUMMARY,
    )


def _unneeded(seen: Survey) -> CheckMessage:
    count = tally(seen.compared.unneeded.total(), "finding")
    return Warning(
        f"{place(seen.options.baseline)} lists {count} that the code no longer has",
        hint="Take them out, so that they cannot come back: manage.py boundaries baseline",
        id=UNNEEDED,
    )
