"""`manage.py explain BND002`: what a rule of the gate means, why it matters, what to do. Reads no project."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from fissile.gate.findings import Rule
from fissile.gate.rules import CHANNELS, RULES
from fissile.gate.wording import nearest
from fissile.management.cli import USAGE, CliError, HouseCommand, Result


class Command(HouseCommand):
    """Print one rule, or all of them in a line each."""

    help = (
        "Explains an id that the boundary gate printed; without one, lists all. Works without a project that runs. "
        "Examples: explain BND002 · explain BND013 --json. See also: boundaries show."
    )
    spoken = "explain"
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take an id, as BND002 or as fissile.BND002."""
        parser.add_argument("id", nargs="?", help="such as BND002, or fissile.BND002 as a system check prints it")
        self.add_json(parser)

    def answer(self, **options: Any) -> Result:
        """Look it up; raise CliError for an id that is none."""
        if options["id"] is None:
            return Result(data=[_document(rule) for rule in RULES.values()], text="\n".join(map(_line, RULES.values())))
        rule = RULES.get(options["id"].upper().removeprefix("FISSILE."))
        if rule is None:
            raise CliError(
                "GATE001",
                f"There is no rule {options['id']}.",
                hint=f"{nearest(options['id'].upper(), RULES)} (all: manage.py explain)",
                code=USAGE,
            )
        return Result(data=_document(rule), text=_page(rule), next=[f"manage.py boundaries show --rule {rule.id}"])


def _severity(rule: Rule) -> str:
    if not rule.is_blocker:
        return "advice"
    return "blocker; advice where contexts are not declared" if rule.is_advice_undeclared else "blocker"


def _line(rule: Rule) -> str:
    return f"{rule.id}  {rule.title}"


def _page(rule: Rule) -> str:
    lines = (("Why", rule.why), ("Fix", rule.fix), ("Kind", _severity(rule)), ("Seen by", CHANNELS[rule.id]))
    return "\n".join([f"{rule.id} {rule.title}", *(f"  {name:<8} {text}" for name, text in lines)])


def _document(rule: Rule) -> dict[str, str]:
    return {
        "id": rule.id,
        "title": rule.title,
        "why": rule.why,
        "fix": rule.fix,
        "severity": _severity(rule),
        "channel": CHANNELS[rule.id],
    }
