"""The consumers of a context as an operator sees them: how far behind, what came twice, what is missing.

May touch: consumer and inbox rows, read only; what an operator does to consumers stands in `repairs`.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Min, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from fissile.events.inbox.status import gaps
from fissile.events.inbox.store import inbox_of
from fissile.events.models import ConsumerRow, InboxRow

from .repairs import PAUSE, RESUME, acted, pause_consumer, resume_consumer
from .rows import ReadOnlyAdmin
from .status import spoken_age

State = InboxRow.State


class ConsumerAdmin(ReadOnlyAdmin):
    """The consumers that have run here: lag, gaps, duplicates, and which of them are paused."""

    list_display = (
        "name", "state", "waiting", "lag", "waiting_gaps", "dead_letters", "duplicates_suppressed", "told",
    )  # fmt: skip
    ordering = ("name",)
    actions = ("pause_selected", "resume_selected")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Add what the inbox holds of each consumer."""
        context = self.opts.app_label
        inbox = inbox_of(context)._default_manager.exclude(state=State.APPLIED)
        here = inbox.filter(consumer=OuterRef("name")).order_by().values("consumer")
        missing = gaps(context).filter(consumer=OuterRef("name")).order_by().values("consumer")
        waiting, parked = Q(state=State.WAITING), Q(state=State.PARKED)
        counted: QuerySet[Any] = (
            super()
            .get_queryset(request)
            .annotate(
                waiting_count=Subquery(here.annotate(count=Count("pk", filter=waiting)).values("count")),
                oldest_at=Subquery(here.annotate(oldest=Min("received_at", filter=waiting)).values("oldest")),
                parked_count=Subquery(here.annotate(count=Count("pk", filter=parked)).values("count")),
                gap_count=Subquery(missing.annotate(count=Count("pk")).values("count")),
            )
        )
        return counted

    @admin.display(description="state")
    def state(self, row: ConsumerRow) -> str:
        """A sign and a word."""
        return "‖ paused" if row.paused else "● running"

    @admin.display(description="last paused or resumed")
    def told(self, row: ConsumerRow) -> str:
        """By whom, when and why."""
        return f"{row.since:%Y-%m-%d %H:%M} UTC by {row.by}: {row.reason}" if row.since else "–"

    @admin.display(description="waiting")
    def waiting(self, row: Any) -> int:
        """Messages that are received and not applied."""
        return int(row.waiting_count or 0)

    @admin.display(description="lag")
    def lag(self, row: Any) -> str:
        """How long the oldest of them has waited."""
        return spoken_age(None if row.oldest_at is None else (timezone.now() - row.oldest_at).total_seconds())

    @admin.display(description="gaps")
    def waiting_gaps(self, row: Any) -> int:
        """Places where later versions wait for some that have not arrived."""
        return int(row.gap_count or 0)

    @admin.display(description="dead letters")
    def dead_letters(self, row: Any) -> int:
        """Messages that were given up."""
        return int(row.parked_count or 0)

    @admin.display(description="duplicates", ordering="duplicates")
    def duplicates_suppressed(self, row: ConsumerRow) -> int:
        """Messages so far that told nothing new."""
        return row.duplicates

    @admin.action(description="Pause selected consumers", permissions=["operate"])
    def pause_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask for a reason, then let consumers store without applying; paused ones are left alone."""
        return acted(self, request, queryset, PAUSE, pause_consumer)

    @admin.action(description="Resume selected consumers", permissions=["operate"])
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask for a reason, then let consumers apply what they have stored; running ones are left alone."""
        return acted(self, request, queryset, RESUME, resume_consumer)
