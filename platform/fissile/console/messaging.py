"""How outbox, inbox, positions, relay leases and idempotency keys look to an operator.

May touch: those rows, read only; parked ones are replayed through `fissile.events.dead_letters`.
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
from fissile.events.models import InboxRow, LaneRow, OutboxRow, PositionRow

from .reasons import ask_reason, reason_given
from .replay import replay_rows
from .rows import ReadOnlyAdmin, shown_json

# Each is a line on the page that asks for the reason, and a transaction of its own afterwards.
MOST_AT_ONCE = 200
PARKED_EVENT = Q(sent_at__isnull=True, parked_at__isnull=False)


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
    actions = ("replay_selected",)
    # Which rows are dead letters.
    parked: Q

    @admin.action(description="Replay selected dead letters", permissions=["operate"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask for a reason, then put parked rows back in line; others are left alone."""
        parked = queryset.filter(self.parked)
        chosen = queryset.count()
        if not parked:
            self.message_user(request, "None of the selected rows is parked; nothing to replay.", "warning")
            return None
        if len(parked) > MOST_AT_ONCE:
            said = f"At most {MOST_AT_ONCE} at once here; for more: manage.py deadletters replay --consumer NAME"
            self.message_user(request, said, "warning")
            return None
        reason = reason_given(request)
        if reason is None:
            return ask_reason(
                self,
                request,
                rows=list(parked),
                action="replay_selected",
                title="Replay dead letters",
                says="Each is tried again, in its place in the order of its aggregate. "
                "Later versions that wait behind it follow by themselves.",
                left_out=chosen - len(parked),
            )
        replay_rows(self, request, list(parked), reason)
        return None

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
    parked = PARKED_EVENT
    fields = (
        *("seq", "id", "type", "aggregate", "version", "lane", "state", "recorded_at", "sent_at"),
        *("attempts", "next_at", "parked_at", "reason", "trace", "payload_shown", "headers_shown"),
    )
    readonly_fields = ("state", "trace", "payload_shown", "headers_shown")

    @admin.display(description="state")
    def state(self, row: OutboxRow) -> str:
        """Where the event is on its way."""
        return "sent" if row.sent_at else "parked" if row.parked_at else "failed" if row.attempts else "pending"


class InboxAdmin(_MessageAdmin):
    """Messages as this context's consumers know them; the parked ones are its dead letters."""

    list_display = ("id", "state", "consumer", "type", "aggregate", "version", "reason", "received_at", "attempts")
    list_filter = ("state", "consumer", "type")
    search_fields = ("=aggregate", "=message_id")
    search_help_text = "an aggregate (order/<id>) or a message id"
    ordering = ("-id",)
    parked = Q(state=InboxRow.State.PARKED)
    fields = (
        *("id", "consumer", "message_id", "type", "aggregate", "version", "state", "received_at", "applied_at"),
        *("attempts", "due", "marked_until", "reason", "trace", "payload_shown", "headers_shown"),
    )
    readonly_fields = ("trace", "payload_shown", "headers_shown")


class PositionAdmin(ReadOnlyAdmin):
    """How far each consumer has applied each aggregate."""

    list_display = ("consumer", "aggregate", "applied_version", "last_id")
    list_filter = ("consumer",)
    search_fields = ("=aggregate",)
    ordering = ("consumer", "aggregate")


class LaneAdmin(ReadOnlyAdmin):
    """Who holds the relay's lease, until when, and the fence that keeps zombies out."""

    list_display = ("lane", "owner", "fence", "lease_until", "paused")
    ordering = ("lane",)


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
    (LaneRow, LaneAdmin, "relay lease", "relay leases"),
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
