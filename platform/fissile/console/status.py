"""The state of every outbox and inbox of this process in a few numbers, for the console's first page.

May touch: the contexts' messaging rows, read only. One context's trouble does not hide the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from django.apps import apps
from django.contrib.admin import AdminSite
from django.db import DatabaseError, models
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from fissile.contexts import registry
from fissile.events.inbox import inbox_status
from fissile.events.models import InboxRow, OutboxRow
from fissile.events.outbox import status_of

# An event normally leaves within a second; ten times the dashboard's promise of 2 s is worth a colour.
BEHIND_AFTER_SECONDS = 20
State = Literal["flowing", "behind", "parked", "paused", "unreachable"]
# A sign and a word beside every colour.
SIGNS: dict[State, str] = {"flowing": "●", "behind": "▲", "parked": "■", "paused": "‖", "unreachable": "✕"}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One outbox, or one consumer of an inbox."""

    name: str
    kind: Literal["outbox", "inbox"]
    waiting: int = 0
    oldest_seconds: float | None = None
    parked: int = 0
    is_paused: bool = False
    reason: str = ""
    url: str = ""

    @property
    def state(self) -> State:
        """The worst thing that is true of it."""
        if self.reason:
            return "unreachable"
        if self.is_paused:
            return "paused"
        if self.parked:
            return "parked"
        return "behind" if (self.oldest_seconds or 0) > BEHIND_AFTER_SECONDS else "flowing"

    @property
    def sign(self) -> str:
        """The sign of the state."""
        return SIGNS[self.state]

    @property
    def age(self) -> str:
        """How long the oldest has waited, for people."""
        return spoken_age(self.oldest_seconds)


def spoken_age(seconds: float | None) -> str:
    """Return an age for people; a dash if there is nothing that could be old."""
    if seconds is None:
        return "–"
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min"
    return f"{whole // 3600} h" if whole < 172_800 else f"{whole // 86_400} d"


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
                    lines.append(_outbox(context.name, url))
                elif issubclass(model, InboxRow):
                    lines.extend(_inbox(context.name, url))
            except DatabaseError as wrong:
                sentence = (str(wrong).strip() or type(wrong).__name__).splitlines()[0][:200]
                kind: Literal["outbox", "inbox"] = "outbox" if issubclass(model, OutboxRow) else "inbox"
                lines.append(Line(name=context.name, kind=kind, reason=sentence, url=url))
    return lines


def _outbox(context: str, url: str) -> Line:
    found = status_of(context)
    return Line(
        name=context,
        kind="outbox",
        waiting=found.pending,
        oldest_seconds=found.oldest_seconds,
        parked=found.parked,
        url=url,
    )


def _inbox(context: str, url: str) -> list[Line]:
    return [
        Line(
            name=found.consumer,
            kind="inbox",
            waiting=found.waiting,
            oldest_seconds=found.oldest_waiting_seconds,
            parked=found.parked,
            is_paused=found.paused,
            url=url,
        )
        for found in inbox_status(context)
    ]


def _url(site: AdminSite, model: type[models.Model]) -> str:
    try:
        return reverse(f"{site.name}:{model._meta.app_label}_{model._meta.model_name}_changelist")
    except NoReverseMatch:
        return ""
