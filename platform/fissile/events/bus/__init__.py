"""The bus between contexts: RabbitMQ, or the SQLite file of the embedded tier, behind three functions."""

from __future__ import annotations

from .amqp import AmqpPublisher
from .consuming import ConsumerConnection, Delivery
from .publishing import EmbeddedPublisher, Outgoing, PublishBroken, Publisher, Verdicts
from .topology import SourceMissing, Topology, connection_errors, declare, is_embedded, topology_of

__all__ = [
    "ConsumerConnection",
    "Delivery",
    "Outgoing",
    "PublishBroken",
    "Publisher",
    "SourceMissing",
    "Topology",
    "Verdicts",
    "connection_errors",
    "declare",
    "is_embedded",
    "open_consumer",
    "open_publisher",
    "topology_of",
]


def open_publisher(broker_url: str, exchange: str, *others: str) -> Publisher:
    """Return a connection that publishes to `exchange`, or `others`, with confirms; raise PublishBroken."""
    return (EmbeddedPublisher if is_embedded(broker_url) else AmqpPublisher)(broker_url, exchange, *others)


def open_consumer(broker_url: str, queue: str, prefetch: int) -> ConsumerConnection:
    """Return a connection that consumes from a declared queue; raise one of `connection_errors()`."""
    return ConsumerConnection(broker_url, queue, prefetch)
