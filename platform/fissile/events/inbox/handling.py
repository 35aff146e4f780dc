"""Runs one handler with what its message carries: correlation, causation, trace. Opens nothing itself.

The use cases that a handler calls join the inbox's transaction: effect, events
and inbox row commit together, and the events name the message as their cause.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from fissile import carry
from fissile.data.unit_of_work import joining
from fissile.events.consumers import Consumer
from fissile.watch import tracing

from .received import TOMBSTONE, Message

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Handled:
    """What became of a message, and the ids under which its work is found."""

    outcome: str
    correlation_id: str
    trace_id: str | None
    span_id: str | None


def handle(consumer: Consumer, message: Message) -> Handled:
    """Run the consumer's handler in the trace of the message and in the open transaction; raise whatever it raises.

    The same whether the message comes from the broker or from its row: all it
    carries stands in its headers.
    """
    with (
        carry.from_headers(_carried(message)) as carried,
        tracing.span(
            f"consume {consumer.name}",
            kind="consumer",
            event=message.type,
            aggregate=message.aggregate,
            version=message.version,
            message_id=message.id,
        ) as span,
    ):
        outcome = _outcome(consumer, message)
        span.set_attribute("outcome", outcome)
        trace_id, span_id = tracing.ids_of(span) or (None, None)
        return Handled(outcome, carried.correlation_id, trace_id, span_id)


def _outcome(consumer: Consumer, message: Message) -> str:
    if message.type == TOMBSTONE:
        return "tombstone"
    if not consumer.handles(message.type):
        return "unhandled"
    with tracing.span(f"handler {consumer.context}", event=message.type), joining(consumer.context):
        return consumer.handle(message.envelope())


def _carried(message: Message) -> dict[str, str]:
    headers = message.headers
    found = {
        "x-correlation-id": headers.get("correlationid"),
        "x-causation-id": str(message.id),
        "traceparent": headers.get("traceparent"),
        "tracestate": headers.get("tracestate"),
    }
    return {name: value for name, value in found.items() if value}
