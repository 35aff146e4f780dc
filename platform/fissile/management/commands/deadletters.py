"""`deadletters list | show | replay | discard`: what consumers gave up on, the way back, and the way out.

May touch: inbox, position, outbox and lane rows, through `fissile.events`; the admin's log.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandParser

from fissile.events import dead_letters
from fissile.events.dead_letters import MOST_GROUPS, MOST_LETTERS, DeadLetter, Group
from fissile.management import letter_verbs, operating
from fissile.management.cli import HouseCommand, Result
from fissile.watch.redaction import redact

HINT = "manage.py deadletters list"


class Command(HouseCommand):
    """Show dead letters by consumer and cause, one of them whole; have them tried again, or give them up."""

    help = (
        "Dead letters are messages whose handler failed five times or that could not be read, and events that the "
        "broker refused eight times. Their aggregate's later events wait behind them; all others go on. "
        "Examples: deadletters list --since 2d. deadletters replay --group 1a2b3c4d5e --reason 'fixed in 1.4'. "
        "deadletters discard bff:12 --reason 'a test order'. In the console: /admin/dead-letters/. "
        "See also: outbox, inbox, traces show."
    )
    spoken = "deadletters"

    def add_arguments(self, parser: CommandParser) -> None:
        """A subcommand each, all with --json."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="list|show|replay|discard")
        lister = actions.add_parser("list", help="dead letters by consumer and cause")
        letter_verbs.add_query(lister)
        lister.add_argument("--letters", action="store_true", help=f"single letters, the first {MOST_LETTERS}")
        show = actions.add_parser("show", help="one letter: row, payload, headers, trace")
        show.add_argument("id", help="as in list, e.g. bff:12")
        letter_verbs.add(actions)
        for action in (lister, show):
            self.add_json(action)

    def answer(self, **options: Any) -> Result:
        """Read the rows, or do something to some."""
        if options["action"] in letter_verbs.VERBS:
            with operating.operating("deadletters", hint=HINT, dry_run=options["dry_run"]) as who:
                return letter_verbs.answer(options, who, self.stderr.write)
        with operating.operating("deadletters", hint=HINT, dry_run=True):
            if options["action"] == "show":
                return _show(options["id"])
            return _list(options)


def _list(options: dict[str, Any]) -> Result:
    query = letter_verbs.query_of(options)
    total = dead_letters.count(query)
    if options["letters"]:
        return _listed(dead_letters.letters(query), total)
    found = dead_letters.groups(query)
    lines = [line for group in found for line in _told(group)]
    unlisted = total - sum(group.count for group in found)
    warnings = [f"{unlisted} more in groups smaller than these {MOST_GROUPS}"] if unlisted > 0 else []
    following = [f"manage.py deadletters show {found[0].example}"] if found else []
    if found:
        following.append(f"manage.py deadletters replay --group {found[0].id} --reason WHY")
    rows = [
        {**asdict(group), "id": group.id, "first_seen": _iso(group.first_seen), "last_seen": _iso(group.last_seen)}
        for group in found
    ]
    return Result(
        data={"groups": rows, "total": total}, text="\n".join(lines) or "No dead letters.", warnings=warnings,
        next=following,
    )  # fmt: skip


def _told(group: Group) -> tuple[str, str]:
    return (
        f"{group.count:>5}  {group.consumer:<20} {group.cause}",
        f"       group {group.id}; first {_age(group.first_seen)}, last {_age(group.last_seen)}; "
        f"{group.behind} waiting behind; such as {group.example}",
    )


def _listed(found: list[DeadLetter], total: int) -> Result:
    header = ("letter", "consumer", "type", "aggregate", "seen", "cause")
    rows = [
        (one.id, one.consumer, one.type, f"{one.aggregate}@{one.version}", _iso(one.received_at), one.reason[:80])
        for one in found
    ]
    kept = ("id", "consumer", "type", "aggregate", "version", "reason", "attempts", "message_id")
    data = [{**{name: getattr(one, name) for name in kept}, "received_at": _iso(one.received_at)} for one in found]
    return Result(
        data={"letters": data, "total": total},
        text=operating.table([header, *rows]) if found else "No dead letters.",
        warnings=[f"{total - len(found)} more; narrow the query"] if total > len(found) else [],
    )


def _show(letter_id: str) -> Result:
    letter = dead_letters.find(letter_id)
    row = {**asdict(letter), "received_at": _iso(letter.received_at), "trace_id": letter.trace_id}
    # As on the letter's page in the console: what looks like a secret is hidden.
    row |= {"payload": redact(letter.payload), "headers": redact(letter.headers)}
    lines = [f"{name:<12} {value}" for name, value in row.items() if name not in ("payload", "headers")]
    for name in ("headers", "payload"):
        lines.append(f"{name}\n{json.dumps(row[name], indent=2, ensure_ascii=False)}")
    return Result(
        data=row, text="\n".join(lines),
        next=[f"manage.py traces show {letter.trace_id}"] if letter.trace_id else [],
    )  # fmt: skip


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _age(moment: datetime) -> str:
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
