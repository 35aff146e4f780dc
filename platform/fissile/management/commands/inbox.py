"""`inbox status | pause | resume | skip | prune`: how consumers stand, and what an operator does to them.

May touch: inbox, position and consumer rows, through `fissile.events`; the admin's log.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from fissile.contexts import registry
from fissile.events import retention
from fissile.events.inbox import ConsumerStatus, inbox_status, steering
from fissile.events.inbox.store import consumer_of, inbox_of
from fissile.management import operating
from fissile.management.cli import USAGE, CliError, HouseCommand, Result

_HINT = "manage.py inbox status"


class Command(HouseCommand):
    """Show the consumers of this role; pause, resume or prune one, or skip the message that holds a stream up."""

    help = (
        "inbox status: waiting, due, asleep, gaps, parked, lag and duplicates per consumer. "
        "inbox pause|resume CONSUMER --reason WHY: a paused consumer stores messages and applies none. "
        "inbox skip CONSUMER AGGREGATE@VERSION --reason WHY: passes over one message. "
        "inbox prune CONTEXT --older-than 30d: deletes applied messages, never positions. "
        "See also: deadletters, outbox."
    )
    spoken = "inbox"

    def add_arguments(self, parser: CommandParser) -> None:
        """A subcommand each, all with --json."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="status|pause|resume|skip|prune")
        status = actions.add_parser("status", help="how each consumer stands")
        pause = actions.add_parser("pause", help="apply nothing more; messages are stored and wait in order")
        resume = actions.add_parser("resume", help="apply what was stored, and go on")
        skip = actions.add_parser("skip", help="pass over one message; its aggregate's next one follows")
        for action in (pause, resume, skip):
            action.add_argument("consumer", help="as in status, such as bff.orders")
        skip.add_argument("message", metavar="AGGREGATE@VERSION", help="such as order/<id>@4")
        for action in (pause, resume, skip):
            operating.add_reason(action)
        prune = actions.add_parser("prune", help="delete messages that were applied long ago")
        prune.add_argument("context")
        prune.add_argument("--consumer", help="of this consumer only")
        operating.add_age(prune)
        for action in (status, pause, resume, skip, prune):
            self.add_json(action)

    def answer(self, **options: Any) -> Result:
        """Do it, with the entry in the admin's log that belongs to it."""
        if options["action"] == "status":
            with operating.operating("inbox", hint="manage.py migrate, if tables are missing", dry_run=True):
                return _status()
        with operating.operating("inbox", hint=_HINT, dry_run=options["dry_run"]) as who:
            match options["action"]:
                case "skip":
                    return _skip(options, who)
                case "prune":
                    return _prune(options, who)
            return _steer(options, who)


def _status() -> Result:
    found = [one for context in _listening() for one in inbox_status(context)]
    header = ("consumer", "state", "waiting", "due", "asleep", "gaps", "retrying", "parked", "lag", "duplicates")
    rows = [
        (
            one.consumer, "paused" if one.paused else "running", one.waiting, one.due, one.asleep, one.gaps,
            one.retrying, one.parked,
            "-" if one.oldest_waiting_seconds is None else f"{one.oldest_waiting_seconds:.1f} s", one.duplicates,
        )
        for one in found
    ]  # fmt: skip
    text = operating.table([header, *rows]) if found else "This role has no consumer."
    return Result(data=[asdict(one) for one in found], text=text, warnings=[_pause(one) for one in found if one.paused])


def _pause(one: ConsumerStatus) -> str:
    return f"{one.consumer} is paused for {one.paused_seconds or 0:.0f} s by {one.paused_by}: {one.paused_reason}"


def _steer(options: dict[str, Any], who: operating.Audited) -> Result:
    name, reason, dry_run = options["consumer"], options["reason"], options["dry_run"]
    turn = steering.pause if options["action"] == "pause" else steering.resume
    outcome = turn(name, reason=reason, operator=who.operator, dry_run=dry_run)
    if outcome in ("paused", "resumed"):
        said = f"{outcome.capitalize()} the consumer. Reason: {reason}"
        who.note(consumer_of(name.partition(".")[0]), key=name, name=name, said=said)
    following = [f"manage.py inbox resume {name} --reason WHY"] if outcome == "paused" else []
    return Result(data={"consumer": name, "outcome": outcome}, text=f"{name}: {outcome}", next=following)


def _skip(options: dict[str, Any], who: operating.Audited) -> Result:
    name, given = options["consumer"], options["message"]
    aggregate, at, number = given.rpartition("@")
    if not (at and aggregate and number.isascii() and number.isdigit() and 0 < int(number[:11]) < 2**31):
        raise CliError(
            "inbox.usage", f"{given!r} is no AGGREGATE@VERSION, such as order/<id>@4.", hint=_HINT, code=USAGE
        )
    version = int(number)
    outcome = steering.skip(
        name, aggregate, version, reason=options["reason"], operator=who.operator, dry_run=options["dry_run"]
    )
    if outcome == "skipped":
        said = f"Skipped {given} for {name}. Reason: {options['reason']}"
        who.note(inbox_of(name.partition(".")[0]), key="", name=f"{name}: {given}", said=said)
    return Result(
        data={"consumer": name, "aggregate": aggregate, "version": version, "outcome": outcome},
        text=f"{name}: {given}: {outcome}",
        warnings=["Its effect is missing here for good; correct it by a new event."] if outcome == "skipped" else [],
    )


def _prune(options: dict[str, Any], who: operating.Audited) -> Result:
    context, consumer = options["context"], options["consumer"]
    if context not in _listening():
        raise CliError(
            "inbox.unknown", f"This role has no inbox of {context!r}.",
            where=f"it has: {', '.join(_listening()) or 'none'}", hint=_HINT, code=USAGE,
        )  # fmt: skip
    if consumer is not None and steering.ensure_consumer(consumer) != context:
        raise CliError("inbox.unknown", f"{consumer} is no consumer of {context}.", hint=_HINT, code=USAGE)
    done = retention.prune_inbox(context, options["older_than"], consumer=consumer, dry_run=options["dry_run"])
    if done.rows:
        said = f"Pruned {done.rows} messages that were applied before {done.before.isoformat()}."
        who.note(inbox_of(context), key="", name=f"{context} inbox", said=said)
    verb = "would be deleted" if done.dry_run else "deleted"
    return Result(
        data=asdict(done),
        text=f"{context}: {done.rows} applied messages from before {done.before:%Y-%m-%d %H:%M:%S} UTC {verb}; "
        "positions stay",
    )


def _listening() -> list[str]:
    return [context.name for context in registry.installed() if context.ears]
