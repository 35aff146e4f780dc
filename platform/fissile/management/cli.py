"""What every command of the house shares: `--json`, one envelope, exit codes that a script can read.

Data goes to stdout, talk to stderr. Exit codes: 0 done, 1 bug, 2 usage, 3 findings,
4 dependency unreachable (safe to retry), 5 refused, 130 interrupted.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

SCHEMA = "cli/1"
USAGE, FINDINGS, UNREACHABLE, REFUSED, INTERRUPTED = 2, 3, 4, 5, 130
_EXIT_CODES = (
    "exit codes: 0 done, 1 unexpected, 2 usage, 3 findings, 4 dependency unreachable (retry), "
    "5 refused, 130 interrupted"
)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a command found: `data` for programs, `text` for people, `next` the commands that follow.

    `code` is 0; or FINDINGS or INTERRUPTED, for an answer that should stop a script.
    """

    data: Any
    text: str
    warnings: Sequence[str] = ()
    next: Sequence[str] = ()
    code: int = 0


class CliError(Exception):
    """A command cannot do what was asked: what, where, and the fix as `hint`."""

    def __init__(self, identity: str, message: str, *, where: str = "", hint: str = "", code: int = 1) -> None:
        super().__init__(message)
        self.identity, self.where, self.hint, self.code = identity, where, hint, code


def operator_name() -> str:
    """Return who runs this command, for the log and for the rows it changes."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run a number without a name
        return str(os.getuid())


class HouseCommand(BaseCommand):
    """A command that answers with a Result. Subclasses define `answer(**options)` and may add arguments."""

    # The name in the envelope: the command, with its subcommand if there is one.
    spoken = ""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Say the exit codes under --help."""
        kwargs.setdefault("epilog", _EXIT_CODES)
        return super().create_parser(prog_name, subcommand, **kwargs)

    @staticmethod
    def add_json(parser: Any) -> None:
        """Add --json to a parser or a subparser."""
        parser.add_argument("--json", action="store_true", help="print exactly one JSON document on stdout")

    def answer(self, **options: Any) -> Result:
        """Do the work; raise CliError."""
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the result, or the error, as text or as the envelope."""
        as_json = bool(options.get("json"))
        action = options.get("action")
        spoken = f"{self.spoken} {action}" if action else self.spoken
        try:
            result = self.answer(**options)
        except CliError as wrong:
            if as_json:
                self._print(_failure(spoken, wrong))
                sys.exit(wrong.code)
            hint = f"\n  Fix   {wrong.hint}" if wrong.hint else ""
            where = f"\n  Where {wrong.where}" if wrong.where else ""
            raise CommandError(f"{wrong}{where}{hint}", returncode=wrong.code) from wrong
        if as_json:
            self._print(_success(spoken, result))
        else:
            self._tell(result)
        if result.code:
            sys.exit(result.code)

    def _tell(self, result: Result) -> None:
        self.stdout.write(result.text)
        for warning in result.warnings:
            self.stderr.write(f"warning: {warning}")
        for following in result.next:
            self.stderr.write(f"next: {following}")

    def _print(self, document: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(document, default=str))


def _success(spoken: str, result: Result) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "command": spoken,
        "ok": not result.code,
        "data": result.data,
        "warnings": list(result.warnings),
        "next": list(result.next),
    }


def _failure(spoken: str, wrong: CliError) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "command": spoken,
        "ok": False,
        "error": {"id": wrong.identity, "message": str(wrong), "where": wrong.where, "hint": wrong.hint},
    }
