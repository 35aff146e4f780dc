"""How outbox, inbox, positions and idempotency keys look to an operator; and which page each row has.

May touch: those rows, read only; what an operator does to them stands in `repairs`.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin import AdminSite
from django.db import models
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from fissile.data.models import IdempotencyRow
from fissile.events.models import ConsumerRow, InboxRow, LaneRow, OutboxRow, PositionRow

from .consumers import ConsumerAdmin
from .lanes import LaneAdmin
from .repairs import (
    DISCARD,
    PARK,
    PARKED_EVENT,
    REPLAY,
    RETRY,
    SKIP,
    acted,
    discard_event,
    park_event,
    replay_letter,
    retry_event,
    skip_message,
)
from .rows import ReadOnlyAdmin, shown_json


class OutboxStateFilter(admin.SimpleListFilter):
    """Unsent, sent, parked: derived from the row's times."""

    title = "state"
    parameter_name = "state"
    _queries = {
        "pending": Q(sent_at__isnull=True, parked_at__isnull=True),
        "parked": PARKED_EVENT,
        "sent": Q(sent_at__isnull=False),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Name the states."""
        return [("pending", "pending"), ("parked", "parked"), ("sent", "sent")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows in the chosen state."""
        chosen = self._queries.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(chosen)


class _MessageAdmin(ReadOnlyAdmin):
    @admin.display(description="payload")
    def payload_shown(self, row: Any) -> SafeString:
        """The payload, secrets hidden."""
        return shown_json(row.payload)

    @admin.display(description="headers")
    def headers_shown(self, row: Any) -> SafeString:
        """Correlation, causation and trace."""
        return shown_json(row.headers)

    @admin.display(description="trace")
    def trace(self, row: Any) -> str:
        """The trace id to give to `manage.py traces show`."""
        parts = str((row.headers or {}).get("traceparent") or "").split("-")
        return parts[1] if len(parts) == 4 else "–"


class OutboxAdmin(_MessageAdmin):
    """Events of a context: the log that everything else is fed from."""

    list_display = ("seq", "state", "type", "aggregate", "version", "recorded_at", "sent_at", "attempts", "reason")
    list_filter = (OutboxStateFilter, "type")
    search_fields = ("=aggregate", "=id")
    search_help_text = "an aggregate (order/<id>) or a message id"
    ordering = ("-seq",)
    actions = ("retry_selected", "park_selected", "discard_selected")
    fields = (
        *("seq", "id", "type", "aggregate", "version", "lane", "state", "recorded_at", "sent_at"),
        *("attempts", "next_at", "parked_at", "reason", "trace", "payload_shown", "headers_shown"),
    )
    readonly_fields = ("state", "trace", "payload_shown", "headers_shown")

    @admin.display(description="state")
    def state(self, row: OutboxRow) -> str:
        """Where the event is on its way."""
        return "sent" if row.sent_at else "parked" if row.parked_at else "failed" if row.attempts else "pending"

    @admin.action(description="Retry selected events", permissions=["operate"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask for a reason, then give events in trouble new attempts; others are left alone."""
        return acted(self, request, queryset, RETRY, retry_event)

    @admin.action(description="Park selected events", permissions=["operate"])
    def park_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask for a reason, then hold unsent events back; others are left alone."""
        return acted(self, request, queryset, PARK, park_event)

    @admin.action(description="Discard selected events", permissions=["operate"])
    def discard_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask for a reason, then let parked events leave as tombstones; others are left alone."""
        return acted(self, request, queryset, DISCARD, discard_event)


class InboxAdmin(_MessageAdmin):
    """Messages as this context's consumers know them; the parked ones are its dead letters."""

    list_display = ("id", "state", "consumer", "type", "aggregate", "version", "reason", "received_at", "attempts")
    list_filter = ("state", "consumer", "type")
    search_fields = ("=aggregate", "=message_id")
    search_help_text = "an aggregate (order/<id>) or a message id"
    ordering = ("-id",)
    actions = ("replay_selected", "skip_selected")
    fields = (
        *("id", "consumer", "message_id", "type", "aggregate", "version", "state", "received_at", "applied_at"),
        *("attempts", "due", "marked_until", "reason", "trace", "payload_shown", "headers_shown"),
    )
    readonly_fields = ("trace", "payload_shown", "headers_shown")

    @admin.action(description="Replay selected dead letters", permissions=["operate"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask for a reason, then put parked rows back in line; others are left alone."""
        return acted(self, request, queryset, REPLAY, replay_letter)

    @admin.action(description="Skip selected messages", permissions=["operate"])
    def skip_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask for a reason, then pass over each message that is its aggregate's next; others are refused."""
        return acted(self, request, queryset, SKIP, skip_message)


class PositionAdmin(ReadOnlyAdmin):
    """How far each consumer has applied each aggregate."""

    list_display = ("consumer", "aggregate", "applied_version", "last_id")
    list_filter = ("consumer",)
    search_fields = ("=aggregate",)
    ordering = ("consumer", "aggregate")


class IdempotencyAdmin(ReadOnlyAdmin):
    """Stored answers of requests with an Idempotency-Key."""

    list_display = ("key", "method", "route", "principal", "status", "created_at")
    list_filter = ("status", "route")
    search_fields = ("=key", "=principal")
    ordering = ("-created_at",)
    fields = ("tenant", "principal", "method", "route", "key", "fingerprint", "status", "created_at", "body_shown")
    readonly_fields = ("body_shown",)

    @admin.display(description="stored answer")
    def body_shown(self, row: IdempotencyRow) -> SafeString:
        """The answer's body, secrets hidden."""
        return shown_json(row.body)


# Row → its page, and how one and many of it are called.
_PAGES: tuple[tuple[type[models.Model], type[ReadOnlyAdmin], str, str], ...] = (
    (OutboxRow, OutboxAdmin, "outbox event", "outbox"),
    (InboxRow, InboxAdmin, "inbox message", "inbox and dead letters"),
    (PositionRow, PositionAdmin, "consumer position", "consumer positions"),
    (ConsumerRow, ConsumerAdmin, "consumer", "consumers"),
    (LaneRow, LaneAdmin, "relay lane", "relay lanes"),
    (IdempotencyRow, IdempotencyAdmin, "idempotency key", "idempotency keys"),
)


def register_messaging(site: AdminSite, app_label: str) -> None:
    """Register every messaging row that the context `app_label` has declared."""
    for model in apps.get_app_config(app_label).get_models():
        for row, page, one, many in _PAGES:
            if issubclass(model, row):
                # Names a context has not chosen itself; migrations read what it wrote, not this.
                if "verbose_name" not in model._meta.original_attrs:
                    model._meta.verbose_name = one
                if "verbose_name_plural" not in model._meta.original_attrs:
                    model._meta.verbose_name_plural = many
                site.register(model, page)
