"""What the commands that change outbox and inbox share: --reason, --dry-run, --yes, ages, stops, errors, the audit.

May touch: the admin's log, through `fissile.console.trail`.
"""

from __future__ import annotations

import re
import signal
import sys
import threading
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import ModuleType
from typing import Any

from django.apps import apps
from django.core.management.base import CommandParser
from django.db import InterfaceError, OperationalError, models

from fissile.errors import Refusal
from fissile.events.dead_letters import DeadLetter
from fissile.events.stopping import Stopping
from fissile.management.cli import REFUSED, UNREACHABLE, USAGE, CliError, operator_name
from fissile.watch.redaction import redact_text

# The console asks for as much.
SHORTEST_REASON = 3
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1)}
# 2,700 years; what is longer does not fit a date.
_AGE = re.compile(r"([1-9]\d{0,5})([hd])")


def add_reason(parser: CommandParser) -> None:
    """Add --reason and --dry-run."""
    parser.add_argument("--reason", required=True, type=_reason, help="why; kept in the admin's log with your name")
    add_dry_run(parser)


def add_dry_run(parser: CommandParser) -> None:
    """Add --dry-run."""
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def add_age(parser: CommandParser) -> None:
    """Add --older-than and --dry-run."""
    parser.add_argument("--older-than", required=True, type=age, help="days or hours: 30d, 12h")
    add_dry_run(parser)


def add_yes(parser: CommandParser) -> None:
    """Add --yes."""
    parser.add_argument("--yes", action="store_true", help="do not ask; without a terminal it is refused otherwise")


def ensure_wanted(area: str, options: dict[str, Any], question: str) -> None:
    """Ask the person at the terminal, unless --yes or --dry-run was given; raise CliError on a no, or without one."""
    if options["yes"] or options["dry_run"]:
        return
    if not sys.stdin.isatty() or options["json"]:
        raise CliError(
            f"{area}.unconfirmed", f"{question} Nobody is there to be asked.",
            hint="the same command with --dry-run to see what it would do, with --yes to do it", code=REFUSED,
        )  # fmt: skip
    sys.stderr.write(f"{question} Type yes to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() != "yes":
        raise CliError(f"{area}.unconfirmed", "Not done: the answer was not yes.", code=REFUSED)


@contextmanager
def stopped_by_signals() -> Iterator[Stopping]:
    """Yield what Ctrl-C and SIGTERM ask to stop, instead of ending the command in the middle of a step."""
    stopping = Stopping()
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, lambda *_: stopping.ask())
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stopping.close()


def moment(text: str) -> datetime:
    """Return `2d` or `12h` ago, or an ISO time (UTC if it says nothing else); raise ArgumentTypeError."""
    try:
        if _AGE.fullmatch(text):
            return datetime.now(UTC) - age(text)
        given = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} is no time; write 2d, 12h or 2026-11-26T12:00") from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def age(text: str) -> timedelta:
    """Return `30d` or `12h` as a timedelta; raise ArgumentTypeError."""
    found = _AGE.fullmatch(text)
    if found is None:
        raise ArgumentTypeError(f"{text!r} is no age; write 30d or 12h")
    return int(found[1]) * _UNITS[found[2]]


def _reason(text: str) -> str:
    reason = " ".join(text.split())
    if len(reason) < SHORTEST_REASON:
        raise ArgumentTypeError("say why, in at least three letters")
    return reason


@dataclass(frozen=True)
class Audited:
    """Who does what a command does; `note` writes it down, once it has been done."""

    operator: str
    _account: int | None

    def note(self, model: type[models.Model], *, key: str, name: str, said: str) -> None:
        """Write one entry into the admin's log; a dry run leaves none."""
        if self._account is not None:
            _trail().record(self._account, model, key=key, name=name, said=said)

    def note_letter(self, letter: DeadLetter, outcome: str, reason: str) -> None:
        """Write one entry for a dead letter, as the console does."""
        if self._account is not None:
            _trail().record_letter(self._account, letter, outcome, reason)


@contextmanager
def operating(area: str, *, hint: str, dry_run: bool = False) -> Iterator[Audited]:
    """Yield who is at work, and turn what goes wrong into a CliError of `area` with `hint` as the fix.

    The account for the log is looked up first: what cannot be written down is not done.
    """
    operator = operator_name()
    try:
        yield Audited(operator, None if dry_run else _trail().account_of(operator))
    except Refusal as no:
        code = USAGE if no.status == 404 else REFUSED
        raise CliError(f"{area}.{no.code}", str(no), hint=hint, code=code) from no
    except (OperationalError, InterfaceError) as lost:
        said = redact_text((str(lost).strip().splitlines() or ["no answer"])[0])
        raise CliError(
            f"{area}.database_unreachable", f"A database of this role does not answer: {said}",
            hint="make services, if its server is down; then the same command: it goes on where it was",
            code=UNREACHABLE,
        ) from lost  # fmt: skip


def _trail() -> ModuleType:
    # Late: a project without the admin can look, which needs no log.
    if not apps.is_installed("django.contrib.admin"):
        raise CliError(
            "operators.no_log", "This project keeps no log of what operators do, so nothing was changed.",
            hint="add django.contrib.admin, auth and contenttypes to INSTALLED_APPS, and a database `operations`",
            code=REFUSED,
        )  # fmt: skip
    return import_module("fissile.console.trail")


def table(rows: list[tuple[Any, ...]]) -> str:
    """Return rows of cells as aligned text; the first is the header."""
    widths = [max(len(str(row[place])) for row in rows) for place in range(len(rows[0]))]
    return "\n".join("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                     for row in rows)  # fmt: skip
