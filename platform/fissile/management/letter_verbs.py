"""`deadletters replay | discard`: one letter, a group, or all that fit a query; at a pace, and stopped when asked to.

May touch: the letters' rows, through `fissile.events.dead_letter_repair`; the admin's log.
"""

from __future__ import annotations

import time
from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.core.management.base import CommandParser
from django.db import InterfaceError, OperationalError

from fissile.errors import Refusal
from fissile.events import dead_letter_repair, dead_letters
from fissile.events.dead_letter_repair import DONE, PER_SECOND
from fissile.events.dead_letters import NoSuchDeadLetter, Query
from fissile.events.stopping import Stopping
from fissile.management import operating
from fissile.management.cli import INTERRUPTED, UNREACHABLE, USAGE, CliError, HouseCommand, Result

VERBS = ("replay", "discard")
# Each is a line, and a pair in the document; the others are counted.
MOST_NAMED = 200
PROGRESS_SECONDS = 5.0
_FIELDS = ("group", "consumer", "cause", "type", "aggregate", "since", "until")
_LOST = {
    "replay": "What is applied is not applied again: rebuild the projection, or correct it by an event.",
    "discard": "Their effect is missing for good; correct it by a new event. "
    "An event at its owner's side may have reached somebody before it was parked.",
}


def add_query(parser: CommandParser) -> None:
    """Add what narrows the letters down."""
    parser.add_argument("--group", help="a group, by the id that list shows")
    parser.add_argument("--consumer", help="of this one only, e.g. bff.orders, or orders.outbox")
    parser.add_argument("--cause", help="whose cause contains this text")
    parser.add_argument("--type", help="of this event type, e.g. orders.order_placed.v1")
    parser.add_argument("--aggregate", help="of this aggregate, e.g. order/<id>")
    parser.add_argument("--since", type=operating.moment, help="seen since: 2d or 12h ago, or an ISO time")
    parser.add_argument("--until", type=operating.moment, help="seen before: 2d or 12h ago, or an ISO time")


def add(actions: Any) -> None:
    """Add the verbs to a command's subparsers."""
    replay = actions.add_parser("replay", help="give letters another set of attempts, in their places")
    discard = actions.add_parser("discard", help="give letters up for good; what waits behind them follows")
    for verb in (replay, discard):
        verb.add_argument("id", nargs="?", help="one letter, e.g. bff:12")
        add_query(verb)
        verb.add_argument("--all", action="store_true", help="all of this role's contexts")
        verb.add_argument(
            "--per-second", type=_pace, default=PER_SECOND, metavar="N",
            help=f"at most so many letters a second (default {PER_SECOND:g})",
        )  # fmt: skip
        operating.add_reason(verb)
        HouseCommand.add_json(verb)
    operating.add_yes(discard)


def query_of(options: dict[str, Any]) -> Query:
    """Return the query that a command line asks for."""
    return Query(**{name: options[name] for name in _FIELDS})


def answer(options: dict[str, Any], who: operating.Audited, say: Callable[[str], Any]) -> Result:
    """Do one of VERBS; raise CliError."""
    query, given = query_of(options), options["id"]
    if bool(given) + (not query.is_empty) + options["all"] != 1:
        raise CliError(
            "deadletters.usage", "Say which letters: an id, a query (--group, --consumer, …), or --all; one of these.",
            hint="manage.py deadletters list", code=USAGE,
        )  # fmt: skip
    if query.group is not None and not dead_letters.count(Query(group=query.group)):
        raise NoSuchDeadLetter(f"There is no group {query.group!r} of dead letters here, or not any more.")
    total = 1 if given else dead_letters.count(query)
    if options["dry_run"] and not given:
        return _foretold(options["action"], query, total)
    if options["action"] == "discard":
        operating.ensure_wanted("deadletters", options, f"Give {given or f'{total} dead letters'} up for good?")
    with operating.stopped_by_signals() as stopping:
        walk = _Walk(options, who, total, stopping, say)
        for letter_id in dead_letter_repair.paced(
            [given] if given else dead_letters.ids(query), options["per_second"], stopping
        ):
            walk.take(letter_id)
        return walk.told(is_stopped=stopping.is_set())


@dataclass
class _Walk:
    """From letter to letter, and what became of each."""

    options: dict[str, Any]
    who: operating.Audited
    total: int
    stopping: Stopping
    say: Callable[[str], Any]
    tally: Counter[str] = field(default_factory=Counter)
    results: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    said_at: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> int:
        return max(0, self.total - self.tally.total())

    def take(self, letter_id: str) -> None:
        """Do it to one letter, with its entry in the log; a refusal stops no other."""
        try:
            outcome = self._do(letter_id)
        except (OperationalError, InterfaceError) as lost:
            raise CliError(
                "deadletters.database_unreachable",
                f"A database of this role does not answer: {(str(lost).strip().splitlines() or ['no answer'])[0]} "
                f"{self.tally.total()} of {self.total} letters are dealt with, {self.left} are left.",
                hint="make services, if its server is down; then the same command: it goes on where it was",
                code=UNREACHABLE,
            ) from lost
        self.tally[outcome] += 1
        if time.monotonic() - self.said_at >= PROGRESS_SECONDS:
            self.said_at = time.monotonic()
            self.say(f"{self.tally.total()} of {self.total}: {_counted(self.tally)}")

    def _do(self, letter_id: str) -> str:
        reason, dry_run = self.options["reason"], self.options["dry_run"]
        act = dead_letter_repair.replay if self.options["action"] == "replay" else dead_letter_repair.discard
        try:
            letter = dead_letters.find(letter_id)
            outcome: str = act(letter, reason=reason, operator=self.who.operator, dry_run=dry_run)
        except Refusal as no:
            if self.options["id"]:
                raise
            return f"refused: {no.code}"
        if outcome in DONE:
            self.who.note_letter(letter, outcome, reason)
        if len(self.results) < MOST_NAMED:
            self.results[letter_id] = outcome
            self.lines.append(f"{outcome:<20} {letter.id}  {letter.consumer}  {letter.reason}")
        return outcome

    def told(self, *, is_stopped: bool) -> Result:
        """Return what was done, and what is left if somebody has asked to stop."""
        tally, verb = dict(self.tally), self.options["action"]
        unnamed = self.tally.total() - len(self.results)
        lines = [*self.lines, *([f"and {unnamed} more"] if unnamed > 0 else []), _counted(self.tally)]
        warnings = [_LOST[verb]] if {"replay": "already applied", "discard": "discarded"}[verb] in tally else []
        stopped = is_stopped and self.left > 0
        if stopped:
            warnings.append(f"Stopped: {self.left} of {self.total} letters are left, untouched.")
        return Result(
            data={"results": self.results, "tally": tally, "left": self.left if stopped else 0},
            text="\n".join(lines), warnings=warnings, code=INTERRUPTED if stopped else 0,
            next=[f"the same command again: it {verb}s what is left"] if stopped else [],
        )  # fmt: skip


def _foretold(verb: str, query: Query, total: int) -> Result:
    found = dead_letters.groups(query)
    lines = [f"{group.count:>6}  {group.consumer}  {group.cause}" for group in found]
    tally = {f"would {verb}": total} if total else {}
    data = {"results": {}, "tally": tally, "left": total, "groups": {group.id: group.count for group in found}}
    return Result(data=data, text="\n".join([*lines, _counted(Counter(tally))]))


def _counted(tally: Counter[str]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in tally.items()) or "No dead letter fits."


def _pace(text: str) -> float:
    try:
        pace = float(text)
    except ValueError:
        pace = 0.0
    # Slower than one in 100 s, or no number, is a slip.
    if not 0.01 <= pace < 1_000_000:
        raise ArgumentTypeError(f"{text!r} is no pace; write how many a second, such as 20")
    return pace
