"""The state of every outbox and inbox of this process in a few numbers, for the console's first page.

May touch: the contexts' messaging rows, read only. One context's trouble does not hide the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from django.apps import apps
from django.contrib.admin import AdminSite
from django.db import DatabaseError, models
from django.db.models import Count, Min, Q
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from fissile.contexts import registry
from fissile.events.models import InboxRow, OutboxRow

# An event normally leaves within a second; ten times the dashboard's promise of 2 s is worth a colour.
BEHIND_AFTER = timedelta(seconds=20)
State = Literal["flowing", "behind", "parked", "unreachable"]
# A sign and a word beside every colour.
SIGNS: dict[State, str] = {"flowing": "●", "behind": "▲", "parked": "■", "unreachable": "✕"}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One outbox, or one consumer of an inbox."""

    name: str
    kind: Literal["outbox", "inbox"]
    waiting: int = 0
    oldest: datetime | None = None
    parked: int = 0
    reason: str = ""
    url: str = ""

    @property
    def state(self) -> State:
        """The worst thing that is true of it."""
        if self.reason:
            return "unreachable"
        if self.parked:
            return "parked"
        late = self.oldest is not None and datetime.now(UTC) - self.oldest > BEHIND_AFTER
        return "behind" if late else "flowing"

    @property
    def sign(self) -> str:
        """The sign of the state."""
        return SIGNS[self.state]

    @property
    def age(self) -> str:
        """How long the oldest has waited, for people."""
        if self.oldest is None:
            return "–"
        seconds = max(0, int((datetime.now(UTC) - self.oldest).total_seconds()))
        if seconds < 120:
            return f"{seconds} s"
        return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def strip(site: AdminSite, request: HttpRequest) -> list[Line]:
    """Return a line for each outbox and each consumer this user may see."""
    lines: list[Line] = []
    for context in registry.installed():
        for model in apps.get_app_config(context.name).get_models():
            admin = site._registry.get(model)
            if admin is None or not admin.has_view_permission(request):
                continue
            url = _url(site, model)
            try:
                if issubclass(model, OutboxRow):
                    lines.append(_outbox(context.name, model, url))
                elif issubclass(model, InboxRow):
                    lines.extend(_inbox(context.consumers, model, url))
            except DatabaseError as wrong:
                sentence = str(wrong).strip().splitlines()[0][:200] or type(wrong).__name__
                kind: Literal["outbox", "inbox"] = "outbox" if issubclass(model, OutboxRow) else "inbox"
                lines.append(Line(name=context.name, kind=kind, reason=sentence, url=url))
    return lines


def _outbox(name: str, model: Any, url: str) -> Line:
    unsent = model.objects.filter(sent_at__isnull=True)
    found = unsent.aggregate(
        waiting=Count("pk", filter=Q(parked_at__isnull=True)),
        oldest=Min("recorded_at", filter=Q(parked_at__isnull=True)),
        parked=Count("pk", filter=Q(parked_at__isnull=False)),
    )
    return Line(name=name, kind="outbox", url=url, **found)


def _inbox(consumers: tuple[str, ...], model: Any, url: str) -> Iterator[Line]:
    open_rows = model.objects.filter(state__in=[InboxRow.State.WAITING, InboxRow.State.PARKED])
    counted = {
        row.pop("consumer"): row
        for row in open_rows.order_by()
        .values("consumer")
        .annotate(
            waiting=Count("pk", filter=Q(state=InboxRow.State.WAITING)),
            oldest=Min("received_at", filter=Q(state=InboxRow.State.WAITING)),
            parked=Count("pk", filter=Q(state=InboxRow.State.PARKED)),
        )
    }
    # A consumer without open rows is shown as well: nothing waiting is news too.
    for consumer in sorted({*consumers, *counted}):
        yield Line(name=consumer, kind="inbox", url=url, **counted.get(consumer, {}))


def _url(site: AdminSite, model: type[models.Model]) -> str:
    try:
        return reverse(f"{site.name}:{model._meta.app_label}_{model._meta.model_name}_changelist")
    except NoReverseMatch:
        return ""
