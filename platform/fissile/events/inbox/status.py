"""How the consumers of a context stand: figures for metrics, the console and health. Reads only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet

from fissile.contexts import registry
from fissile.data.clock import Clock, database_now
from fissile.events.consumers import consumers_of
from fissile.events.models import ConsumerRow, InboxRow
from fissile.events.receivers import DROPPED

from .store import consumer_of, inbox_of, position_of

State = InboxRow.State


@dataclass(frozen=True, kw_only=True)
class ConsumerStatus:
    """One consumer's rows that are not applied, and whether an operator has paused it.

    `waiting` holds `due` (its time has come), `retrying` (failed before) and
    `asleep` (behind another row). `gaps` are places where later versions wait for
    some that have not arrived; `duplicates` are the messages so far that told nothing
    new. The ages are in seconds by the database's clock, None if there is no such row.
    """

    consumer: str
    waiting: int = 0
    due: int = 0
    retrying: int = 0
    asleep: int = 0
    parked: int = 0
    gaps: int = 0
    duplicates: int = 0
    oldest_waiting_seconds: float | None = None
    oldest_due_seconds: float | None = None
    oldest_parked_seconds: float | None = None
    paused: bool = False
    paused_by: str = ""
    paused_reason: str = ""
    paused_seconds: float | None = None


def inbox_status(context: str) -> list[ConsumerStatus]:
    """Return one status for each consumer that is declared, has handlers or has rows, by name."""
    waiting, parked = Q(state=State.WAITING), Q(state=State.PARKED)
    figures = (
        inbox_of(context)
        ._default_manager.using(context)
        .exclude(state=State.APPLIED)
        .values("consumer")
        .annotate(
            waiting=Count("id", filter=waiting),
            now_due=Count("id", filter=waiting & Q(due__lte=Clock())),
            retrying=Count("id", filter=waiting & Q(attempts__gt=0)),
            asleep=Count("id", filter=waiting & Q(due__isnull=True)),
            parked=Count("id", filter=parked),
            oldest_waiting=Min("received_at", filter=waiting),
            oldest_due=Min("due", filter=waiting & Q(due__lte=Clock())),
            oldest_parked=Min("received_at", filter=parked),
        )
    )
    now = database_now(context)
    found = {
        row["consumer"]: ConsumerStatus(
            consumer=row["consumer"],
            waiting=row["waiting"],
            due=row["now_due"],
            retrying=row["retrying"],
            asleep=row["asleep"],
            parked=row["parked"],
            oldest_waiting_seconds=_age(now, row["oldest_waiting"]),
            oldest_due_seconds=_age(now, row["oldest_due"]),
            oldest_parked_seconds=_age(now, row["oldest_parked"]),
        )
        for row in figures
    }
    missing = _gaps_by_consumer(context) if any(one.asleep for one in found.values()) else {}
    names = {*registry.get(context).ears, *(one.name for one in consumers_of(context)), *found}
    steered = {row.name: row for row in consumer_of(context)._default_manager.using(context)}
    paused = {row.name for row in steered.values() if row.paused}
    statuses = [found.get(name) or ConsumerStatus(consumer=name) for name in sorted({*names, *paused})]
    return [
        _steered(replace(one, gaps=missing.get(one.consumer, 0)), steered.get(one.consumer), now) for one in statuses
    ]


def gaps(context: str) -> QuerySet[InboxRow]:
    """Return the rows that sleep because the version before theirs has not arrived: one for each gap."""
    rows = inbox_of(context)._default_manager.using(context)
    place = {"consumer": OuterRef("consumer"), "aggregate": OuterRef("aggregate")}
    before = OuterRef("version") - 1
    # A row that is applied may be pruned; the position is there for ever.
    applied = position_of(context)._default_manager.using(context).filter(**place, applied_version__gte=before)
    arrived = rows.filter(**place, version=before)
    return rows.filter(~Exists(arrived), ~Exists(applied), state=State.WAITING, due__isnull=True, version__gt=1)


def _gaps_by_consumer(context: str) -> dict[str, int]:
    counted = gaps(context).values("consumer").annotate(count=Count("pk")).order_by()
    return {one["consumer"]: one["count"] for one in counted}


def dropped(context: str) -> dict[tuple[str, str], int]:
    """Return how many messages were dropped, by receiver and reason, of those that are still kept."""
    applied = inbox_of(context)._default_manager.using(context).filter(state=State.APPLIED)
    rows = applied.filter(consumer__in=registry.get(context).receivers, reason__in=DROPPED)
    counted = rows.values("consumer", "reason").annotate(count=Count("id")).order_by("consumer", "reason")
    return {(row["consumer"], row["reason"]): row["count"] for row in counted}


def _steered(status: ConsumerStatus, row: ConsumerRow | None, now: datetime) -> ConsumerStatus:
    if row is None:
        return status
    status = replace(status, duplicates=row.duplicates)
    if not row.paused:
        return status
    since = _age(now, row.since)
    return replace(status, paused=True, paused_by=row.by, paused_reason=row.reason, paused_seconds=since)


def _age(now: datetime, since: datetime | None) -> float | None:
    return None if since is None else max(0.0, (now - since).total_seconds())
