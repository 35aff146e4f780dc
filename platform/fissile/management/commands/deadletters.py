"""`manage.py deadletters list | show | replay`: what consumers gave up on, and the way back."""

from __future__ import annotations

import getpass
import json
import os
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import InterfaceError, OperationalError

from fissile.events import dead_letters
from fissile.events.dead_letters import DeadLetter, NoSuchDeadLetter

USAGE, UNREACHABLE = 2, 4
DOCS = "docs/howto/replay-dead-letters.md"


class Command(BaseCommand):
    """Exit 0: done; 1: unexpected; 2: usage, or no such letter; 4: a database is unreachable, try again."""

    help = (
        "Lists, shows and replays dead letters: messages whose handler failed five times, or that could not be "
        "read. Their aggregate's later events wait behind them; all others go on. "
        "Examples: deadletters list · deadletters replay --consumer bff.orders --reason 'fixed in 1.4'. "
        "See also: outbox, traces show. Exit codes: 0 done, 1 unexpected, 2 usage, 4 database unreachable."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Three actions, each with --json."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="list|show|replay")
        lister = actions.add_parser("list", help="dead letters by consumer and reason")
        lister.add_argument("--consumer", help="only this one, e.g. bff.orders, or orders.outbox")
        show = actions.add_parser("show", help="one letter: row, payload, headers, trace")
        show.add_argument("id", help="as in list, e.g. bff:12")
        again = actions.add_parser("replay", help="give letters another set of attempts")
        which = again.add_mutually_exclusive_group(required=True)
        which.add_argument("id", nargs="?", help="one letter")
        which.add_argument("--consumer", help="all of one consumer")
        which.add_argument("--all", action="store_true", help="all of this process's contexts")
        again.add_argument("--dry-run", action="store_true", help="say what would be replayed")
        again.add_argument("--reason", default="no reason given", help="why; kept on the row and in the log")
        for action in (lister, show, again):
            action.add_argument("--json", action="store_true", help="one JSON document on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, print it, exit with the code."""
        command = f"deadletters {options['action']}"
        try:
            data = getattr(self, f"_{options['action']}")(options)
        except NoSuchDeadLetter as wrong:
            self._fail(command, options, USAGE, wrong.code, str(wrong), "manage.py deadletters list")
        except (OperationalError, InterfaceError) as wrong:
            said = (str(wrong).strip().splitlines() or ["no answer"])[0]
            sentence = f"A database of this role is not reachable: {said}"
            self._fail(command, options, UNREACHABLE, "database_unreachable", sentence, "Start it, then ask again.")
        else:
            if options["json"]:
                self._print({"command": command, "ok": True, **data})

    def _list(self, options: dict[str, Any]) -> dict[str, Any]:
        found = dead_letters.groups(options["consumer"])
        if not options["json"]:
            self._tell_groups(found)
        rows = [{**asdict(group), "oldest_at": _iso(group.oldest_at)} for group in found]
        following = ["manage.py deadletters show " + found[0].ids[0]] if found else []
        return {"data": {"groups": rows, "total": sum(group.count for group in found)}, "next": following}

    def _tell_groups(self, found: list[dead_letters.Group]) -> None:
        if not found:
            self.stdout.write("No dead letters.")
        for group in found:
            self.stdout.write(f"{group.count:>5}  {group.consumer:<20} {group.reason}")
            shown = ", ".join(group.ids[:5]) + (f" and {group.count - 5} more" if group.count > 5 else "")
            self.stdout.write(f"       oldest {_age(group.oldest_at)}; {group.behind} waiting behind; {shown}")
        if found:
            self.stderr.write("Next: manage.py deadletters show ID · fix the cause · deadletters replay ID")

    def _show(self, options: dict[str, Any]) -> dict[str, Any]:
        letter = dead_letters.find(options["id"])
        row = {**asdict(letter), "received_at": _iso(letter.received_at), "trace_id": letter.trace_id}
        if not options["json"]:
            for name in row:
                if name not in ("payload", "headers"):
                    self.stdout.write(f"{name:<12} {row[name]}")
            for name in ("headers", "payload"):
                self.stdout.write(f"{name}\n{json.dumps(row[name], indent=2, ensure_ascii=False)}")
            if letter.trace_id:
                self.stderr.write(f"Next: manage.py traces show {letter.trace_id}")
        return {"data": row, "next": [f"manage.py traces show {letter.trace_id}"] if letter.trace_id else []}

    def _replay(self, options: dict[str, Any]) -> dict[str, Any]:
        chosen: list[DeadLetter] = (
            [dead_letters.find(options["id"])] if options["id"] else dead_letters.letters(options["consumer"])
        )
        results = dead_letters.replay(
            chosen, reason=options["reason"], operator=_operator(), dry_run=options["dry_run"]
        )
        tally: dict[str, int] = {}
        for outcome in results.values():
            tally[outcome] = tally.get(outcome, 0) + 1
        if not options["json"]:
            for letter in chosen:
                self.stdout.write(f"{results[letter.id]:<20} {letter.id}  {letter.consumer}  {letter.reason}")
            told = ", ".join(f"{count} {outcome}" for outcome, count in tally.items())
            self.stderr.write(told or "Nothing to replay.")
        warnings = []
        if "already applied" in tally:
            warnings.append("What is applied is not applied again: rebuild the projection, or correct it by an event.")
        return {"data": {"results": results, "tally": tally}, "warnings": warnings}

    def _fail(self, command: str, options: dict[str, Any], code: int, error: str, message: str, hint: str) -> None:
        if options["json"]:
            told = {"id": error, "message": message, "where": command, "hint": hint, "docs": DOCS}
            self._print({"command": command, "ok": False, "error": told})
        else:
            self.stderr.write(self.style.ERROR(message))
            self.stderr.write(f"Fix: {hint}")
        sys.exit(code)

    def _print(self, document: dict[str, Any]) -> None:
        empty: dict[str, Any] = {} if "error" in document else {"data": None, "warnings": [], "next": []}
        self.stdout.write(json.dumps({"schema": "cli/1", **empty, **document}, ensure_ascii=False, default=str))


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _age(moment: datetime) -> str:
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def _operator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run a number without a name
        return str(os.getuid())
