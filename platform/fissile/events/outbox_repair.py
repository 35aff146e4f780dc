"""What an operator may do to single events that have not left: put them back in line, hold one back, give one up.

May touch: the outbox rows of one context, each in a transaction of its own, so that
no lock of ours waits for a relay's, and a command that was interrupted can be given
again; the lane of an event that is given up.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Greatest

from fissile.data.clock import Clock, database_now
from fissile.data.guard import writing
from fissile.errors import Refusal

from .inbox.received import TOMBSTONE
from .lanes import take_away
from .models import OutboxRow
from .outbox import outbox_of

# The lowest events of aggregates that wait for something: for their next try, or for a person.
IN_TROUBLE = Q(sent_at__isnull=True) & (Q(attempts__gt=0) | Q(parked_at__isnull=False))
LONGEST_REASON = 500

Outcome = Literal[
    "retried", "would retry", "not in trouble", "parked", "would park", "parked already", "sent already",
    "discarded", "not parked",
]  # fmt: skip

_log = logging.getLogger(__name__)


class NoSuchEvent(Refusal):
    """No event of this context has this id."""

    code = "no_such_event"
    status = 404


@dataclass(frozen=True, kw_only=True)
class Repaired:
    """One event and what became of it; `id` is `<context>:outbox:<seq>`, as in `deadletters list`."""

    id: str
    type: str
    aggregate: str
    version: int
    was: str
    outcome: Outcome


def find(context: str, given: str) -> OutboxRow:
    """Return an event by its seq (7, orders:outbox:7) or its message id; raise NoSuchEvent."""
    rows = outbox_of(context)._default_manager.using(context)
    found = rows.filter(_identity(given.removeprefix(f"{context}:outbox:"))).first()
    if found is None:
        raise NoSuchEvent(f"{context} has no event {given!r}; an event is named by its seq or its message id.")
    return found


def in_trouble(context: str, aggregate: str | None = None) -> QuerySet[OutboxRow]:
    """Return the events that back off or are parked, of one aggregate or all, oldest first."""
    rows = outbox_of(context)._default_manager.using(context).filter(IN_TROUBLE).order_by("seq")
    return rows if aggregate is None else rows.filter(aggregate=aggregate)


def retry(rows: Iterable[OutboxRow], *, reason: str, operator: str, dry_run: bool = False) -> list[Repaired]:
    """Give each event a new set of attempts, at once; those that are sent or in no trouble are left alone."""
    done = []
    for row in rows:
        outcome: Outcome = "sent already" if row.sent_at else "not in trouble"
        if dry_run:
            outcome = "would retry" if _same(row).filter(IN_TROUBLE).exists() else outcome
        elif put_back(_same(row)):
            outcome = "retried"
        done.append(_told(row, outcome, reason, operator))
    return done


def put_back(rows: QuerySet[OutboxRow]) -> int:
    """Clear what holds these events back, and their attempts; return how many of them were in trouble."""
    with writing(str(rows.db)):
        return rows.filter(IN_TROUBLE).update(parked_at=None, next_at=None, attempts=0, reason="")


def park(row: OutboxRow, *, reason: str, operator: str, dry_run: bool = False) -> Repaired:
    """Hold one unsent event back; its aggregate's later events wait behind it, all others go on.

    A relay that has it in hand may still send it: what is `sent already` later is not held back.
    """
    waiting = _same(row).filter(sent_at__isnull=True, parked_at__isnull=True)
    outcome: Outcome = "sent already" if row.sent_at else "parked already"
    if dry_run:
        outcome = "would park" if waiting.exists() else outcome
    else:
        said = f"parked by {operator}: {reason}"[:LONGEST_REASON]
        with writing(row._meta.app_label):
            # At least one attempt: the relay looks for trouble among the rows that have any.
            held = waiting.update(parked_at=Clock(), next_at=None, attempts=Greatest("attempts", 1), reason=said)
        outcome = "parked" if held else outcome
    return _told(row, outcome, reason, operator)


def discard(row: OutboxRow, *, reason: str, operator: str) -> Repaired:
    """Give a parked event up: it leaves as a tombstone of the same id and version, so that no consumer waits for it.

    What it was, and who gave it up and why, stays in `headers["discarded"]`; a
    tombstone carries nothing. Parked does not mean that nobody has it: a consumer that
    was reached before it was parked keeps its effect.
    """
    context = row._meta.app_label
    outcome: Outcome = "not parked"
    with writing(context), transaction.atomic(using=context):
        # Else a relay that has the event in hand could still mark the tombstone as sent. Lanes before rows, always.
        take_away(context, row.lane)
        parked = _same(row).filter(sent_at__isnull=True, parked_at__isnull=False)
        for fresh in parked.select_for_update():
            was = {"type": fresh.type, "payload": fresh.payload, "cause": fresh.reason}
            story = {**was, "by": operator, "reason": reason, "at": database_now(context).isoformat()}
            parked.update(
                type=TOMBSTONE, payload={}, headers={**fresh.headers, "discarded": story},
                parked_at=None, next_at=None, attempts=0, reason=f"discarded by {operator}: {reason}"[:LONGEST_REASON],
            )  # fmt: skip
            outcome = "discarded"
    return _told(row, outcome, reason, operator)


def _identity(given: str) -> Q:
    if given.isascii() and given.isdigit() and len(given) <= 18:
        return Q(seq=int(given))
    try:
        return Q(id=UUID(given))
    except ValueError:
        return Q(pk__in=())


def _same(row: OutboxRow) -> QuerySet[OutboxRow]:
    return outbox_of(row._meta.app_label)._default_manager.using(row._meta.app_label).filter(seq=row.seq)


def _told(row: OutboxRow, outcome: Outcome, reason: str, operator: str) -> Repaired:
    done = Repaired(
        id=f"{row._meta.app_label}:outbox:{row.seq}", type=row.type, aggregate=row.aggregate, version=row.version,
        was=row.reason, outcome=outcome,
    )  # fmt: skip
    if outcome in ("retried", "parked", "discarded"):
        _log.warning("event %s (%s): %s by %s: %s", done.id, row, outcome, operator, reason)
    return done
