"""The outbox: appending an event beside the change it tells of, and reading how it goes.

May touch: the outbox and lane rows of one context, on that context's alias.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from django.apps import apps
from django.db.models import Count, Min, Q
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from fissile import carry
from fissile.contexts import registry
from fissile.data.clock import database_now
from fissile.messages import Event, to_wire, uuid7
from fissile.messages.envelope import TENANT
from fissile.watch.tracing import span

from .models import WHOLE_CONTEXT, LaneRow, OutboxRow, lane_of


def append(event: Event, version: int, context: str) -> OutboxRow:
    """Insert `event` as `version` of its aggregate, in the transaction that is open on the context's alias.

    The row stores the trace context of its own span, so that the relay's publish,
    however much later, is that span's child.
    """
    with span(f"outbox {event.context}", event=event.name, aggregate=event.aggregate, version=version):
        row = outbox_of(context)(
            id=uuid7(),
            aggregate=event.aggregate,
            version=version,
            lane=lane_of(event.aggregate),
            type=event.name,
            payload=to_wire(event),
            headers=_headers(),
        )
        row.save(using=context, force_insert=True)
    return row


def _headers() -> dict[str, Any]:
    carried = carry.current()
    trace: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(trace)
    return {
        "correlationid": carried.correlation_id or carry.new_correlation_id(),
        "causationid": carried.causation_id,
        "traceparent": trace.get("traceparent"),
        "tracestate": trace.get("tracestate"),
        "tenant": TENANT,
    }


def outbox_of(context: str) -> type[OutboxRow]:
    """Return `<Context>Outbox`; raise LookupError if the context has none."""
    return cast(type[OutboxRow], apps.get_app_config(context).get_model(f"{context}outbox"))


def lane_model_of(context: str) -> type[LaneRow]:
    """Return `<Context>Lane`; raise LookupError if the context has none."""
    return cast(type[LaneRow], apps.get_app_config(context).get_model(f"{context}lane"))


def publishing_contexts() -> tuple[str, ...]:
    """Return the installed contexts that have an outbox."""
    return tuple(context.name for context in registry.installed() if _has_outbox(context.name))


def _has_outbox(context: str) -> bool:
    try:
        outbox_of(context)
    except LookupError:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class OutboxStatus:
    """How one outbox stands. `oldest_seconds` is the age of the oldest event that still waits, or None."""

    context: str
    pending: int
    oldest_seconds: float | None
    retrying: int
    parked: int
    sent: int
    reason: str
    owner: str
    lease_seconds: float
    fence: int
    paused: bool


def status_of(context: str) -> OutboxStatus:
    """Read an outbox's figures; ages are by the database's clock."""
    waiting = Q(sent_at__isnull=True, parked_at__isnull=True)
    rows = outbox_of(context)._default_manager.using(context)
    figures = rows.aggregate(
        pending=Count("seq", filter=waiting),
        oldest=Min("recorded_at", filter=waiting),
        retrying=Count("seq", filter=waiting & Q(attempts__gt=0)),
        parked=Count("seq", filter=Q(sent_at__isnull=True, parked_at__isnull=False)),
        sent=Count("seq", filter=Q(sent_at__isnull=False)),
    )
    troubled = rows.filter(sent_at__isnull=True).exclude(reason="").order_by("seq").first()
    lane = lane_model_of(context)._default_manager.using(context).filter(lane=WHOLE_CONTEXT).first()
    now = database_now(context)
    oldest = figures.pop("oldest")
    left = max(timedelta(0), lane.lease_until - now) if lane else timedelta(0)
    return OutboxStatus(
        context=context,
        oldest_seconds=max(0.0, (now - oldest).total_seconds()) if oldest else None,
        reason=troubled.reason if troubled else "",
        owner=lane.owner if lane and left else "",
        lease_seconds=left.total_seconds(),
        fence=lane.fence if lane else 0,
        paused=bool(lane and lane.paused),
        **figures,
    )
