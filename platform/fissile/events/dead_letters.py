"""Dead letters: parked inbox rows (and parked outbox rows), listed, shown, replayed.

May touch: inbox, position and outbox rows of the installed contexts, each on its own alias.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.db.models import QuerySet

from fissile.contexts import registry
from fissile.data.clock import Clock
from fissile.errors import Refusal

from .inbox.store import inbox_of, position_of
from .models import InboxRow, OutboxRow
from .outbox import outbox_of

State = InboxRow.State
Outcome = Literal["replayed", "would replay", "not parked any more", "already applied"]
OUTBOX = "outbox"

_log = logging.getLogger(__name__)


class NoSuchDeadLetter(Refusal):
    """No dead letter has this id in the contexts of this process; see `deadletters list`."""

    code = "no_such_dead_letter"
    status = 404


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """One parked row. `id` is `<context>:<number>`, or `<context>:outbox:<number>` at the owner's side.

    `consumer` is `<context>.outbox` there: the event has not left, nobody has it.
    """

    id: str
    context: str
    consumer: str
    message_id: str
    type: str
    aggregate: str
    version: int
    reason: str
    attempts: int
    state: str
    received_at: datetime
    payload: Any
    headers: dict[str, Any]

    @property
    def trace_id(self) -> str | None:
        """The trace in which the event was recorded: `manage.py traces show <trace id>`."""
        parts = str(self.headers.get("traceparent") or "").split("-")
        return parts[1] if len(parts) > 2 else None


@dataclass(frozen=True, kw_only=True)
class Group:
    """Dead letters of one consumer with one reason; `behind` counts the rows that wait for them."""

    consumer: str
    reason: str
    count: int
    behind: int
    oldest_at: datetime
    ids: tuple[str, ...]


def letters(consumer: str | None = None) -> list[DeadLetter]:
    """Return the dead letters of the installed contexts, or of one consumer, oldest first."""
    found = [letter for letter in _all() if consumer in (None, letter.consumer)]
    return sorted(found, key=lambda letter: (letter.received_at, letter.id))


def groups(consumer: str | None = None) -> list[Group]:
    """Return dead letters grouped by consumer and reason, largest group first."""
    together: dict[tuple[str, str], list[DeadLetter]] = {}
    for letter in letters(consumer):
        together.setdefault((letter.consumer, letter.reason), []).append(letter)
    found = [
        Group(
            consumer=name,
            reason=reason,
            count=len(members),
            behind=_behind(members),
            oldest_at=members[0].received_at,
            ids=tuple(member.id for member in members),
        )
        for (name, reason), members in together.items()
    ]
    return sorted(found, key=lambda group: (-group.count, group.consumer, group.reason))


def find(letter_id: str) -> DeadLetter:
    """Return a row by its id, parked or not any more; raise NoSuchDeadLetter."""
    context, _, rest = letter_id.partition(":")
    is_outbox, number = rest.startswith(f"{OUTBOX}:"), rest.removeprefix(f"{OUTBOX}:")
    if not registry.is_near(context) or not number.isascii() or not number.isdigit() or len(number) > 18:
        raise NoSuchDeadLetter(f"There is no dead letter {letter_id!r} here; see: manage.py deadletters list")
    try:
        if is_outbox:
            return _from_outbox(context, outbox_of(context)._default_manager.using(context).get(seq=number))
        return _from_inbox(context, inbox_of(context)._default_manager.using(context).get(id=number))
    except (LookupError, ObjectDoesNotExist):
        raise NoSuchDeadLetter(f"There is no dead letter {letter_id!r} here; see: manage.py deadletters list") from None


def replay(chosen: Iterable[DeadLetter], *, reason: str, operator: str, dry_run: bool = False) -> dict[str, Outcome]:
    """Give each letter another set of attempts; return what became of each id.

    One transaction a letter, so asking again after a crash changes nothing. An
    event that was applied meanwhile is not repeated: that would be a rebuild.
    """
    results: dict[str, Outcome] = {}
    for letter in chosen:
        if dry_run:
            results[letter.id] = "would replay" if letter.state == State.PARKED else "not parked any more"
            continue
        again = _replay_outbox if letter.consumer.endswith(f".{OUTBOX}") else _replay_inbox
        results[letter.id] = again(letter, reason)
        _log.warning(
            "dead letter %s (%s %s@%s): %s by %s: %s",
            letter.id, letter.type, letter.aggregate, letter.version, results[letter.id], operator, reason,
            extra={"trace_id": letter.trace_id, "correlation_id": letter.headers.get("correlationid")},
        )  # fmt: skip
    return results


def _replay_inbox(letter: DeadLetter, reason: str) -> Outcome:
    alias = letter.context
    positions = position_of(alias)._default_manager.using(alias)
    place = {"consumer": letter.consumer, "aggregate": letter.aggregate}
    with transaction.atomic(using=alias):
        # The position first, always: what holds it is running this aggregate right now.
        positions.bulk_create([position_of(alias)(**place)], ignore_conflicts=True)
        applied = positions.select_for_update().get(**place).applied_version
        row = _inbox_rows(alias).filter(id=_number(letter))
        if applied >= letter.version:
            return "already applied"
        changed = row.update(
            state=State.WAITING, attempts=0, due=Clock(), marked_until=None, reason=f"replayed: {reason}"[:500]
        )
    return "replayed" if changed else "not parked any more"


def _replay_outbox(letter: DeadLetter, reason: str) -> Outcome:
    rows = _outbox_rows(letter.context).filter(seq=_number(letter))
    changed = rows.update(parked_at=None, attempts=0, next_at=None, reason="")
    return "replayed" if changed else "not parked any more"


def _all() -> Iterator[DeadLetter]:
    for context in registry.installed():
        for row in _rows(_inbox_rows, context.name):
            yield _from_inbox(context.name, row)
        for row in _rows(_outbox_rows, context.name):
            yield _from_outbox(context.name, row)


def _rows(rows: Any, context: str) -> Any:
    try:
        return rows(context)
    except LookupError:  # a context need not publish, or not listen
        return ()


def _inbox_rows(context: str) -> QuerySet[InboxRow]:
    return inbox_of(context)._default_manager.using(context).filter(state=State.PARKED)


def _outbox_rows(context: str) -> QuerySet[OutboxRow]:
    rows = outbox_of(context)._default_manager.using(context)
    return rows.filter(sent_at__isnull=True, parked_at__isnull=False)


def _behind(members: Sequence[DeadLetter]) -> int:
    first = members[0]
    aggregates = [member.aggregate for member in members]
    if first.consumer.endswith(f".{OUTBOX}"):
        rows = outbox_of(first.context)._default_manager.using(first.context)
        return rows.filter(aggregate__in=aggregates, sent_at__isnull=True, parked_at__isnull=True).count()
    waiting = inbox_of(first.context)._default_manager.using(first.context).filter(state=State.WAITING)
    return waiting.filter(consumer=first.consumer, aggregate__in=aggregates).count()


def _from_inbox(context: str, row: InboxRow) -> DeadLetter:
    return DeadLetter(
        id=f"{context}:{row.pk}",
        context=context,
        consumer=row.consumer,
        message_id=str(row.message_id),
        type=row.type,
        aggregate=row.aggregate,
        version=row.version,
        reason=row.reason,
        attempts=row.attempts,
        state=str(row.state),
        received_at=row.received_at,
        payload=row.payload,
        headers=row.headers,
    )


def _from_outbox(context: str, row: OutboxRow) -> DeadLetter:
    state = State.PARKED if row.parked_at else State.WAITING
    return DeadLetter(
        id=f"{context}:{OUTBOX}:{row.seq}",
        context=context,
        consumer=f"{context}.{OUTBOX}",
        message_id=str(row.id),
        type=row.type,
        aggregate=row.aggregate,
        version=row.version,
        reason=row.reason,
        attempts=row.attempts,
        state="sent" if row.sent_at else str(state),
        received_at=row.recorded_at,
        payload=row.payload,
        headers=row.headers,
    )


def _number(letter: DeadLetter) -> int:
    return int(letter.id.rpartition(":")[2])
