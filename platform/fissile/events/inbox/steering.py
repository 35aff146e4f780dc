"""What an operator may do to a consumer: pause it, resume it, skip the one message that holds a stream up.

May touch: consumer, position and inbox rows of the consumer's context. The position is locked first, always.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any, Literal

from django.db import transaction

from fissile.contexts import registry
from fissile.data.clock import Clock
from fissile.data.guard import writing
from fissile.errors import Refusal
from fissile.events.models import InboxRow
from fissile.messages import uuid7

from .received import SKIPPED
from .status import inbox_status
from .store import LONGEST_REASON, InboxStore, consumer_of

State = InboxRow.State
Paused = Literal["paused", "would pause", "paused already"]
Resumed = Literal["resumed", "would resume", "not paused"]
Skipped = Literal["skipped", "would skip", "skipped already", "applied already", "not parked"]

_log = logging.getLogger(__name__)


class NoSuchConsumer(Refusal):
    """No context of this process has a consumer of this name."""

    code = "no_such_consumer"
    status = 404


class NotNext(Refusal):
    """Only the version after the applied one can be skipped."""

    code = "not_next"


class NothingToSkip(Refusal):
    """Neither this version nor a later one has arrived; what may still come is not skipped in advance."""

    code = "nothing_to_skip"


def ensure_consumer(name: str) -> str:
    """Return the context of a consumer; raise NoSuchConsumer."""
    context = name.partition(".")[0]
    known: list[str] = []
    if registry.is_near(context):
        # Asked for each of a hundred thousand letters: the figures only if nothing else knows the name.
        if name in registry.get(context).ears:
            return context
        with suppress(LookupError):  # a context need not listen
            known = [one.consumer for one in inbox_status(context)]
    if name not in known:
        raise NoSuchConsumer(f"There is no consumer {name!r} here; {context} has: {', '.join(known) or 'none'}.")
    return context


def pause(name: str, *, reason: str, operator: str, dry_run: bool = False) -> Paused:
    """Let a consumer apply nothing more: each of its processes stops within a second, after the message in hand.

    It goes on taking messages from its queue and stores them, in order and outside
    of the broker's memory; raise NoSuchConsumer.
    """
    if not _turn(name, to_paused=True, reason=reason, operator=operator, dry_run=dry_run):
        return "paused already"
    return "would pause" if dry_run else "paused"


def resume(name: str, *, reason: str, operator: str, dry_run: bool = False) -> Resumed:
    """Let a paused consumer apply again what it has stored, in order; raise NoSuchConsumer."""
    if not _turn(name, to_paused=False, reason=reason, operator=operator, dry_run=dry_run):
        return "not paused"
    return "would resume" if dry_run else "resumed"


def _turn(name: str, *, to_paused: bool, reason: str, operator: str, dry_run: bool) -> bool:
    context = ensure_consumer(name)
    rows = consumer_of(context)._default_manager.using(context)
    if dry_run:
        return rows.filter(name=name, paused=True).exists() != to_paused
    InboxStore(context, name).register()
    with writing(context):
        changed = rows.filter(name=name, paused=not to_paused).update(
            paused=to_paused, since=Clock(), by=operator, reason=reason[:LONGEST_REASON]
        )
    if changed:
        _log.warning("%s: %s by %s: %s", name, "paused" if to_paused else "resumed", operator, reason)
    return bool(changed)


def skip(
    name: str, aggregate: str, version: int, *, reason: str, operator: str, dry_run: bool = False,
    only_parked: bool = False,
) -> Skipped:  # fmt: skip
    """Pass over one version of an aggregate, for this consumer alone; the next one follows by itself.

    It must be the next one: raise NotNext, NothingToSkip, NoSuchConsumer. What is
    applied or skipped already stays as it is. The version need not have arrived, but
    with `only_parked` it must be a dead letter still.
    """
    context = ensure_consumer(name)
    store = InboxStore(context, name)
    with writing(context), transaction.atomic(using=context):
        position = store.positions.select_for_update().filter(aggregate=aggregate).first()
        applied = position.applied_version if position else 0
        row = store.rows.filter(aggregate=aggregate, version=version).first()
        if version <= applied:
            return "skipped already" if row is not None and _was_skipped(row) else "applied already"
        _ensure_next(store, aggregate, version, applied)
        if only_parked and (row is None or row.state != State.PARKED):
            return "not parked"
        if dry_run:
            return "would skip"
        if position is None:
            position = store.positions.create(consumer=name, aggregate=aggregate)
        said = f"{SKIPPED} by {operator}: {reason}"[:LONGEST_REASON]
        position.last_id = _retire(store, row, aggregate, version, said)
        position.applied_version = version
        position.save(update_fields=["applied_version", "last_id"])
        store.rows.filter(
            aggregate=aggregate, version=version + 1, state=State.WAITING, due__isnull=True
        ).update(due=Clock())  # fmt: skip
    _log.warning("%s: skipped %s@%s by %s: %s", name, aggregate, version, operator, reason)
    return "skipped"


def _ensure_next(store: InboxStore, aggregate: str, version: int, applied: int) -> None:
    if version != applied + 1:
        raise NotNext(
            f"{store.consumer} has applied {aggregate} up to {applied}; the next one is {applied + 1}, not {version}."
        )
    if not store.rows.filter(aggregate=aggregate, version__gte=version).exists():
        raise NothingToSkip(f"{store.consumer} has received neither {aggregate}@{version} nor a later version.")


def _retire(store: InboxStore, row: InboxRow | None, aggregate: str, version: int, said: str) -> Any:
    """Leave the place in the stream taken; return the id that the position shall remember, None for a made-up one."""
    outcome = {"state": State.APPLIED, "applied_at": Clock(), "reason": said, "due": None, "marked_until": None}
    if row is not None:
        store.rows.filter(pk=row.pk).update(**outcome)
        return row.message_id
    # Whoever brings the real one later tells a thing that is known, not another history.
    store.rows.create(
        consumer=store.consumer, message_id=uuid7(), aggregate=aggregate, version=version, type=SKIPPED,
        payload={}, headers={}, **outcome,
    )  # fmt: skip
    return None


def _was_skipped(row: InboxRow) -> bool:
    return row.reason.startswith(f"{SKIPPED} by ")
