"""How the consumers of a context stand: figures for metrics, the console and health. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q

from fissile.contexts import registry
from fissile.data.clock import Clock, database_now
from fissile.events.consumers import consumers_of
from fissile.events.models import InboxRow

from .store import inbox_of

State = InboxRow.State


@dataclass(frozen=True, kw_only=True)
class ConsumerStatus:
    """One consumer's rows that are not applied.

    `waiting` holds `due` (its time has come), `retrying` (failed before) and
    `asleep` (behind another row). The ages are in seconds by the database's clock,
    None if there is no such row.
    """

    consumer: str
    waiting: int = 0
    due: int = 0
    retrying: int = 0
    asleep: int = 0
    parked: int = 0
    oldest_waiting_seconds: float | None = None
    oldest_due_seconds: float | None = None
    oldest_parked_seconds: float | None = None


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
    names = {*registry.get(context).consumers, *(one.name for one in consumers_of(context)), *found}
    return [found.get(name) or ConsumerStatus(consumer=name) for name in sorted(names)]


def _age(now: datetime, since: datetime | None) -> float | None:
    return None if since is None else max(0.0, (now - since).total_seconds())
