"""What an operator does to dead letters: have them tried again, or give them up. One transaction a letter.

May touch: inbox, position and outbox rows of the letter's context. An event's
discard also touches its lane. Whoever is stopped between two letters has done whole ones.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from typing import Literal

from django.db import transaction

from fissile.data.clock import Clock
from fissile.data.guard import writing

from . import outbox_repair
from .dead_letters import DeadLetter
from .inbox import steering
from .inbox.store import LONGEST_REASON, inbox_of, position_of
from .models import InboxRow
from .outbox import outbox_of
from .stopping import Stopping

State = InboxRow.State
Replayed = Literal["replayed", "would replay", "not parked any more", "already applied"]
Discarded = Literal["discarded", "would discard", "not parked any more", "already applied"]
# A replayed letter brings its successors and up to five attempts: at this pace a consumer keeps up with its
# daily work, and 100,000 letters take half an hour.
PER_SECOND = 50.0
# Of what was done; the other outcomes changed nothing.
DONE = ("replayed", "discarded")

_log = logging.getLogger(__name__)


def replay(letter: DeadLetter, *, reason: str, operator: str, dry_run: bool = False) -> Replayed:
    """Give a letter another set of attempts, in its place in the order of its aggregate.

    Asking again changes nothing. An event that was applied meanwhile is not
    repeated: that would be a rebuild.
    """
    if letter.state != State.PARKED:
        return "not parked any more"
    if dry_run:
        return "would replay"
    outcome = _replay_event(letter) if letter.is_at_the_owner else _replay_message(letter, reason)
    _tell(letter, outcome, operator, reason)
    return outcome


def discard(letter: DeadLetter, *, reason: str, operator: str, dry_run: bool = False) -> Discarded:
    """Give a letter up for good; its aggregate's later versions follow by themselves.

    A message is skipped by its consumer alone, and its row stays. An event leaves as
    a tombstone in the same place, and its row keeps what it was. Raise what
    `steering.skip` raises.
    """
    if letter.state != State.PARKED:
        return "not parked any more"
    if dry_run:
        return "would discard"
    give_up = _discard_event if letter.is_at_the_owner else _discard_message
    outcome = give_up(letter, reason, operator)
    _tell(letter, outcome, operator, reason)
    return outcome


def paced(ids: Iterable[str], per_second: float, stopping: Stopping) -> Iterator[str]:
    """Yield each id, the next one never sooner than the pace allows; end as soon as `stopping` is asked to."""
    due = time.monotonic()
    for letter_id in ids:
        if stopping.wait(max(0.0, due - time.monotonic())):
            return
        # From now, not from when it was due: what was late is not made up for by a burst.
        due = time.monotonic() + 1 / per_second
        yield letter_id


def _replay_message(letter: DeadLetter, reason: str) -> Replayed:
    alias = letter.context
    positions = position_of(alias)._default_manager.using(alias)
    place = {"consumer": letter.consumer, "aggregate": letter.aggregate}
    with writing(alias), transaction.atomic(using=alias):
        # The position first, always: what holds it is running this aggregate right now.
        positions.bulk_create([position_of(alias)(**place)], ignore_conflicts=True)
        applied = positions.select_for_update().get(**place).applied_version
        row = inbox_of(alias)._default_manager.using(alias).filter(id=letter.number, state=State.PARKED)
        if applied >= letter.version:
            return "already applied"
        said = f"replayed: {reason}"[:LONGEST_REASON]
        changed = row.update(state=State.WAITING, attempts=0, due=Clock(), marked_until=None, reason=said)
    return "replayed" if changed else "not parked any more"


def _replay_event(letter: DeadLetter) -> Replayed:
    rows = outbox_of(letter.context)._default_manager.using(letter.context)
    parked = rows.filter(seq=letter.number, sent_at__isnull=True, parked_at__isnull=False)
    return "replayed" if outbox_repair.put_back(parked) else "not parked any more"


def _discard_message(letter: DeadLetter, reason: str, operator: str) -> Discarded:
    outcome = steering.skip(
        letter.consumer, letter.aggregate, letter.version, reason=reason, operator=operator, only_parked=True
    )
    match outcome:
        case "skipped":
            return "discarded"
        case "applied already" | "skipped already":
            return "already applied"
    return "not parked any more"


def _discard_event(letter: DeadLetter, reason: str, operator: str) -> Discarded:
    row = outbox_repair.find(letter.context, str(letter.number))
    done = outbox_repair.discard(row, reason=reason, operator=operator)
    return "discarded" if done.outcome == "discarded" else "not parked any more"


def _tell(letter: DeadLetter, outcome: str, operator: str, reason: str) -> None:
    _log.warning(
        "dead letter %s (%s %s@%s): %s by %s: %s",
        letter.id, letter.type, letter.aggregate, letter.version, outcome, operator, reason,
        extra={"trace_id": letter.trace_id, "correlation_id": letter.headers.get("correlationid")},
    )  # fmt: skip
