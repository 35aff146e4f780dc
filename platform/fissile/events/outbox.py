"""The outbox: appending an event beside the change it tells of, and reading how it goes.

May touch: the outbox rows of one context, on that context's alias.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, cast

from django.apps import apps
from django.db.models import Count, Min, Q
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from fissile import carry
from fissile.contexts import registry
from fissile.data.clock import database_now
from fissile.messages import Directed, Event, to_wire, uuid7
from fissile.messages.envelope import TENANT
from fissile.watch.tracing import span

from .lanes import LaneStatus, Waiting, lane_status
from .models import OutboxRow, lane_of


def append(message: Event | Directed, version: int, context: str) -> OutboxRow:
    """Insert `message` as `version` of its aggregate, in the transaction that is open on the context's alias.

    The row stores the trace context of its own span, so that the relay's publish,
    however much later, is that span's child; and, of a command or a reply, to whom it goes.
    """
    directed = message if isinstance(message, Directed) else None
    with span(f"outbox {context}", event=message.name, aggregate=message.aggregate, version=version):
        row = outbox_of(context)(
            id=directed.id if directed else uuid7(),
            aggregate=message.aggregate,
            version=version,
            lane=lane_of(message.aggregate),
            type=message.name,
            payload=to_wire(directed.body if directed else message),
            headers=_headers() | ({"to": directed.to} if directed else {}),
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
    lanes: tuple[LaneStatus, ...]

    @property
    def owners(self) -> dict[str, int]:
        """The relays that hold lanes, each with how many."""
        return dict(sorted(Counter(lane.owner for lane in self.lanes if lane.owner).items()))

    @property
    def paused(self) -> tuple[int, ...]:
        """The lanes that are held up on purpose."""
        return tuple(lane.lane for lane in self.lanes if lane.paused)

    @property
    def lease_seconds(self) -> float:
        """What is left of the lease that ends first; 0 if a lane that should be held is not."""
        return min((lane.lease_seconds for lane in self.lanes if not lane.paused), default=0.0)


def status_of(context: str) -> OutboxStatus:
    """Read an outbox's figures; ages are by the database's clock."""
    unparked = Q(sent_at__isnull=True, parked_at__isnull=True)
    rows = outbox_of(context)._default_manager.using(context)
    figures = rows.aggregate(
        retrying=Count("seq", filter=unparked & Q(attempts__gt=0)),
        parked=Count("seq", filter=Q(sent_at__isnull=True, parked_at__isnull=False)),
        sent=Count("seq", filter=Q(sent_at__isnull=False)),
    )
    by_lane = rows.filter(unparked).values("lane").annotate(pending=Count("seq"), oldest=Min("recorded_at"))
    waiting = {one["lane"]: Waiting(pending=one["pending"], oldest=one["oldest"]) for one in by_lane.order_by()}
    troubled = rows.filter(sent_at__isnull=True).exclude(reason="").order_by("seq").first()
    lanes = lane_status(context, waiting, database_now(context))
    return OutboxStatus(
        context=context,
        pending=sum(lane.pending for lane in lanes),
        oldest_seconds=max((lane.oldest_seconds for lane in lanes if lane.oldest_seconds is not None), default=None),
        reason=troubled.reason if troubled else "",
        lanes=lanes,
        **figures,
    )
