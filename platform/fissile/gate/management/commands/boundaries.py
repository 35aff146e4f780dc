"""`manage.py boundaries show | explain | baseline`: what ties the project's contexts together."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.management.base import CommandParser

from fissile.gate import baseline as baselines
from fissile.gate import report, ties
from fissile.gate.baseline import Baseline, Entry
from fissile.gate.options import GateError
from fissile.gate.rules import RULES
from fissile.gate.survey import Survey, survey
from fissile.gate.wording import nearest, place
from fissile.management.cli import FINDINGS, REFUSED, USAGE, CliError, HouseCommand, Result


class Command(HouseCommand):
    """Look at the project's source and its app registry; no database is asked."""

    help = (
        "Shows what keeps a context from being taken out, and keeps a list of known findings that may only shrink. "
        "Examples: boundaries show --context orders · boundaries baseline --allow-growth --reason 'merged billing'. "
        "See also: explain BND002, check --tag boundaries."
    )
    spoken = "boundaries"
    # The check would say the same before it, and stop the command that explains it.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take an action."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="show|explain|baseline")
        show = actions.add_parser("show", help="a score per context and every finding; exit 3 if a blocker is new")
        show.add_argument("--context", help="only findings that hold this context, at either end")
        show.add_argument("--rule", help="only findings of this rule, such as BND010")
        explain = actions.add_parser("explain", help="what ties one context, by neighbour and channel")
        explain.add_argument("context", help="as boundaries show names it")
        keep = actions.add_parser("baseline", help="write down today's findings; exit 5 if there are more than before")
        keep.add_argument("--allow-growth", action="store_true", help="write more findings than before; needs --reason")
        keep.add_argument("--reason", default="", help="why the list grows; kept in the file")
        for action in (show, explain, keep):
            self.add_json(action)

    def answer(self, **options: Any) -> Result:
        """Look, and do what was asked."""
        try:
            seen = survey()
        except GateError as wrong:
            raise CliError("GATE002", str(wrong), hint=wrong.hint, code=USAGE) from wrong
        answered: Result = getattr(self, f"_{options['action']}")(seen, options)
        return answered

    def _show(self, seen: Survey, options: dict[str, Any]) -> Result:
        context = _context(seen, options["context"]) if options["context"] else None
        rule = _rule(options["rule"]) if options["rule"] else None
        chosen = [
            finding
            for finding in seen.findings
            if context in (None, finding.context, finding.other) and rule in (None, finding.rule_id)
        ]
        new = set(seen.compared.new)
        is_red = any(seen.is_blocker(finding) and finding in new for finding in chosen)
        following = [f"manage.py explain {chosen[0].rule_id}"] if chosen else []
        if chosen and seen.baseline is None and not seen.project.is_declared:
            following.append("manage.py boundaries baseline")
        return Result(
            data=report.document(seen, chosen),
            text=report.text(seen, chosen),
            next=following,
            code=FINDINGS if is_red else 0,
        )

    def _explain(self, seen: Survey, options: dict[str, Any]) -> Result:
        name = _context(seen, options["context"])
        found = ties.document(seen, name)
        return Result(data=found, text=ties.text(found), next=[f"manage.py boundaries show --context {name}"])

    def _baseline(self, seen: Survey, options: dict[str, Any]) -> Result:
        if options["allow_growth"] and not options["reason"].strip():
            raise CliError("GATE004", "--allow-growth needs a reason.", hint="add --reason 'why it must'", code=USAGE)
        before = seen.baseline
        after = baselines.following(
            seen.options.baseline, before, seen.findings, seen.absent, reason=options["reason"].strip()
        )
        # The first list is no growth.
        old = before.entries if before else after.entries
        added, removed = after.entries - old, old - after.entries
        if added and not options["allow_growth"]:
            raise _grows(seen, added)
        _write(after)
        data = {
            "path": place(after.path),
            "findings": after.entries.total(),
            "added": added.total(),
            "removed": removed.total(),
            "is_new": before is None,
        }
        said = f"{data['path']}: {data['findings']} known findings (added {data['added']}, removed {data['removed']})"
        return Result(data=data, text=said, next=["manage.py check --tag boundaries"])


def _grows(seen: Survey, added: Counter[Entry]) -> CliError:
    where = next(one for one in seen.compared.new if seen.baseline and seen.baseline.entry(one) in added)
    return CliError(
        "GATE005",
        f"The baseline may only shrink, and {added.total()} of today's findings are not in it.",
        where=f"{place(where.path)}:{where.line} {where.what}",
        hint="mend them (boundaries show marks them), or: boundaries baseline --allow-growth --reason 'why it must'",
        code=REFUSED,
    )


def _write(baseline: Baseline) -> None:
    try:
        baseline.path.write_text(baseline.text(), encoding="utf-8")
    except OSError as wrong:
        hint = 'name another file: FISSILE_GATE = {"baseline": path}'
        raise CliError("GATE006", f"{baseline.path} cannot be written: {wrong}", hint=hint, code=USAGE) from wrong


def _context(seen: Survey, name: str) -> str:
    names = {score.name for score in seen.scores}
    if name not in names:
        raise CliError("GATE003", f"There is no context {name} here.", hint=nearest(name, names), code=USAGE)
    return name


def _rule(given: str) -> str:
    identity = given.upper().removeprefix("FISSILE.")
    if identity not in RULES:
        raise CliError("GATE001", f"There is no rule {given}.", hint=nearest(identity, RULES), code=USAGE)
    return identity
