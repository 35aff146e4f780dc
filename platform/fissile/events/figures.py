"""The messages' state as metrics: read from the rows when Prometheus asks. Registered by `fissile.apps`."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from fissile.contexts import registry
from fissile.watch.metrics import gauge

from . import backlog
from .inbox import ConsumerStatus, dropped, inbox_status
from .lanes import LaneStatus
from .outbox import OutboxStatus, publishing_contexts, status_of

# Field of the status → what it means.
_OF_OUTBOXES = (
    ("pending", "Events not yet confirmed by the broker."),
    ("retrying", "Pending events that were refused at least once."),
    ("parked", "Events given up; a person decides."),
    ("oldest_seconds", "Age of the oldest pending event; 0 if none."),
    ("lease_seconds", "What is left of the lease that ends first; 0 if a lane that is not paused has no relay."),
)
_OF_LANES = (
    ("pending", "Events of the lane not yet confirmed by the broker."),
    ("oldest_seconds", "Age of the lane's oldest pending event; 0 if none."),
)
_OF_CONSUMERS = (
    ("waiting", "Messages received and not yet applied."),
    ("asleep", "Waiting messages behind an earlier version."),
    ("parked", "Dead letters; a person decides."),
    ("gaps", "Places where later versions wait for some that have not arrived."),
    ("duplicates", "Messages so far that told nothing new; the count is the consumer's, not this process's."),
    ("oldest_waiting_seconds", "Age of the oldest waiting message; 0 if none."),
    ("paused", "1 while an operator has paused the consumer."),
)

_DROPPED = "Late or unasked replies and expired requests that were not handled, among the messages that are kept."


def collect() -> Iterator[Metric]:
    """Yield gauges for every outbox and every consumer of this process."""
    outboxes = [status_of(name) for name in publishing_contexts()]
    consumers = [(one.name, status) for one in registry.installed() if one.ears for status in inbox_status(one.name)]
    for name, meaning in _OF_OUTBOXES:
        rows = [((one.context,), _number(one, name)) for one in outboxes]
        yield gauge(f"fissile_outbox_{name}", meaning, ("context",), rows)
    counts = (("relays", "Relays that hold lanes.", "owners"), ("paused_lanes", "Lanes held up on purpose.", "paused"))
    for name, meaning, field in counts:
        rows = [((one.context,), float(len(getattr(one, field)))) for one in outboxes]
        yield gauge(f"fissile_outbox_{name}", meaning, ("context",), rows)
    for name, meaning in _OF_LANES:
        by_lane = [((one.context, str(lane.lane)), _number(lane, name)) for one in outboxes for lane in one.lanes]
        yield gauge(f"fissile_outbox_lane_{name}", meaning, ("context", "lane"), by_lane)
    yield from _backlogs([one.context for one in outboxes])
    for name, meaning in _OF_CONSUMERS:
        waiting = [((context, one.consumer), _number(one, name)) for context, one in consumers]
        yield gauge(f"fissile_inbox_{name}", meaning, ("context", "consumer"), waiting)
    yield gauge("fissile_inbox_dropped", _DROPPED, ("context", "consumer", "reason"), _dropped())


def _dropped() -> Iterator[tuple[tuple[str, ...], float]]:
    for context in registry.installed():
        if context.receivers:
            yield from (((context.name, *which), float(count)) for which, count in dropped(context.name).items())


def _backlogs(contexts: list[str]) -> Iterator[Metric]:
    for context in contexts:
        # A process that writes nothing would show for ever what it saw last.
        backlog.look(context)
    known = [((context,), backlog.backlog_of(context)) for context in contexts]
    full = [(labels, float(one.is_full)) for labels, one in known]
    yield gauge("fissile_outbox_full", "1 while this process refuses writes of the context.", ("context",), full)
    limits = [(labels, float(one.limit)) for labels, one in known]
    yield gauge("fissile_outbox_limit", "Unsent events from which on writes are refused.", ("context",), limits)


def _number(status: OutboxStatus | LaneStatus | ConsumerStatus, name: str) -> float:
    return float(getattr(status, name) or 0)
