"""The messages' state as metrics: read from the rows when Prometheus asks. Registered by `fissile.apps`."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from fissile.contexts import registry
from fissile.watch.metrics import gauge

from .inbox import ConsumerStatus, inbox_status
from .outbox import OutboxStatus, publishing_contexts, status_of

# Field of the status → what it means.
_OF_OUTBOXES = (
    ("pending", "Events not yet confirmed by the broker."),
    ("retrying", "Pending events that were refused at least once."),
    ("parked", "Events given up; a person decides."),
    ("oldest_seconds", "Age of the oldest pending event; 0 if none."),
    ("lease_seconds", "What is left of the relay's lease; 0 if nobody holds it."),
)
_OF_CONSUMERS = (
    ("waiting", "Messages received and not yet applied."),
    ("asleep", "Waiting messages behind an earlier version."),
    ("parked", "Dead letters; a person decides."),
    ("oldest_waiting_seconds", "Age of the oldest waiting message; 0 if none."),
)


def collect() -> Iterator[Metric]:
    """Yield gauges for every outbox and every consumer of this process."""
    outboxes = [status_of(name) for name in publishing_contexts()]
    consumers = [(one.name, status) for one in registry.installed() if one.sources for status in inbox_status(one.name)]
    for name, meaning in _OF_OUTBOXES:
        rows = [((one.context,), _number(one, name)) for one in outboxes]
        yield gauge(f"fissile_outbox_{name}", meaning, ("context",), rows)
    for name, meaning in _OF_CONSUMERS:
        waiting = [((context, one.consumer), _number(one, name)) for context, one in consumers]
        yield gauge(f"fissile_inbox_{name}", meaning, ("context", "consumer"), waiting)


def _number(status: OutboxStatus | ConsumerStatus, name: str) -> float:
    return float(getattr(status, name) or 0)
