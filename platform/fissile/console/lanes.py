"""The lanes of a context's outbox as an operator sees them, and holding some up.

May touch: lane and outbox rows, read only; what an operator does to lanes stands in `repairs`.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Min, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse

from fissile.events.outbox import outbox_of

from .repairs import PAUSE_LANE, RESUME_LANE, acted, pause_lane, resume_lane
from .rows import ReadOnlyAdmin


class LaneAdmin(ReadOnlyAdmin):
    """Which relay holds which lane, until when, and the fence that keeps zombies out."""

    list_display = ("lane", "waiting", "oldest", "owner", "fence", "lease_until", "wanted_by", "paused", "reason")
    list_filter = ("paused",)
    ordering = ("lane",)
    actions = ("pause_selected", "resume_selected")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Add what waits in each lane."""
        outbox = outbox_of(self.opts.app_label)._default_manager.filter(sent_at__isnull=True, parked_at__isnull=True)
        here = outbox.filter(lane=OuterRef("lane")).order_by().values("lane")
        counted: QuerySet[Any] = (
            super()
            .get_queryset(request)
            .annotate(
                waiting_count=Subquery(here.annotate(count=Count("seq")).values("count")),
                oldest_at=Subquery(here.annotate(oldest=Min("recorded_at")).values("oldest")),
            )
        )
        return counted

    @admin.display(description="waiting")
    def waiting(self, row: Any) -> int:
        """How many events wait in the lane; parked ones are dead letters."""
        return int(row.waiting_count or 0)

    @admin.display(description="oldest since")
    def oldest(self, row: Any) -> Any:
        """When the oldest of them was recorded."""
        return row.oldest_at

    @admin.action(description="Pause selected lanes", permissions=["operate"])
    def pause_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask for a reason, then hold the lanes up; those that are paused already are left alone."""
        return acted(self, request, queryset, PAUSE_LANE, pause_lane)

    @admin.action(description="Resume selected lanes", permissions=["operate"])
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask for a reason, then let the lanes go on; those that are not paused are left alone."""
        return acted(self, request, queryset, RESUME_LANE, resume_lane)
