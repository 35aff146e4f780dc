"""What is left in outboxes and inboxes, a sentence for each event that says what holds it up. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fissile.contexts import Context
from fissile.events.inbox.status import inbox_status
from fissile.events.inbox.store import inbox_of, position_of
from fissile.events.models import InboxRow, OutboxRow
from fissile.events.outbox import outbox_of, publishing_contexts, status_of

from . import broker


def leftovers(contexts: Iterable[Context]) -> list[str]:
    """Return a sentence for each event of these contexts that is not sent, or not applied."""
    found: list[str] = []
    for context in contexts:
        if context.name in publishing_contexts():
            found += _unsent(context.name)
        if context.ears:
            found += _not_applied(context.name)
    return found


def _unsent(context: str) -> Iterator[str]:
    rows = outbox_of(context)._default_manager.using(context).filter(sent_at=None).order_by("seq")
    paused = {lane.lane: lane.reason for lane in status_of(context).lanes if lane.paused}
    blocked: dict[str, int] = {}
    for row in rows:
        if row.parked_at is not None:
            blocked.setdefault(row.aggregate, row.version)
            yield f"outbox of {context}: {row} is parked: {row.reason}"
        else:
            yield f"outbox of {context}: {row} waits: {_why_unsent(row, paused, blocked)}"


def _why_unsent(row: OutboxRow, paused: dict[int, str], blocked: dict[str, int]) -> str:
    if row.lane in paused:
        return f"lane {row.lane} is {paused[row.lane]}"
    if row.aggregate in blocked:
        return f"version {blocked[row.aggregate]} is parked before it"
    return broker.frozen_because() or row.reason or "it came too late for the last round, or the log says why"


def _not_applied(context: str) -> Iterator[str]:
    rows = inbox_of(context)._default_manager.using(context).exclude(state=InboxRow.State.APPLIED)
    paused = {
        one.consumer: f"paused by {one.paused_by}: {one.paused_reason}" for one in inbox_status(context) if one.paused
    }
    for row in rows.order_by("consumer", "aggregate", "version"):
        stands = "is parked" if row.state == InboxRow.State.PARKED else "waits"
        why = row.reason if stands == "is parked" else _why_waiting(row, context, paused)
        yield f"{row.consumer}: {row.type} {row.aggregate}@{row.version} {stands}: {why}"


def _why_waiting(row: InboxRow, context: str, paused: dict[str, str]) -> str:
    if row.consumer in paused:
        return f"the consumer is {paused[row.consumer]}"
    positions = position_of(context)._default_manager.using(context)
    applied = positions.filter(consumer=row.consumer, aggregate=row.aggregate).values_list("applied_version", flat=True)
    if row.version > (head := (applied.first() or 0) + 1):
        return f"version {head} is not applied"
    return row.reason or "its handler has not come to an end"
