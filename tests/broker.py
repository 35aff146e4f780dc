"""The broker of a running house from outside: a queue of one's own beside the consumers', a hand that publishes.

May touch: the broker of the house it is given; queues of its own, which it deletes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from deploy.local.house import keeper_broker
from fissile.events import bus
from fissile.events.bus import topology as names
from fissile.messages import Envelope, decode_envelope
from fissile.messages.envelope import CONTENT_TYPE

from .house import RunningHouse


def broker_url(house: RunningHouse) -> str:
    """Return the address of the house's broker, for one who may do everything there: no process has it."""
    if house.tier == "real":
        return keeper_broker(house.house.services_dir, house.house.stores)
    return f"sqlitebus:///{house.house.state_dir / 'embedded' / 'bus.sqlite3'}"


@dataclass
class Tap:
    """A consumer of a queue of our own. `heard`: (message id of the broker, envelope, body)."""

    connection: bus.ConsumerConnection
    heard: list[tuple[str | None, Envelope, bytes]] = field(default_factory=list)

    def listen(self, seconds: float = 0.2) -> int:
        """Take what has come; return how many messages that were."""
        deliveries = self.connection.receive(seconds, 100)
        for one in deliveries:
            self.heard.append((one.message_id, decode_envelope(one.body, one.content_type), one.body))
        self.connection.ack(deliveries)
        return len(deliveries)

    def about(self, aggregate: str) -> list[tuple[str | None, Envelope, bytes]]:
        """Return what was heard about one aggregate, in the order in which it came."""
        self.listen()
        return [entry for entry in self.heard if entry[1].subject == aggregate]


@contextmanager
def queue_beside(house: RunningHouse, source: str) -> Iterator[str]:
    """Bind one more queue to a context's whole stream, from outside, for a while; yield its name."""
    url, queue = broker_url(house), f"proof.{uuid4().hex[:8]}-{source}"
    bus.declare(url, [source], [(queue, source)])
    try:
        yield queue
    finally:
        with names.connect(url) as broker, broker.channel() as channel:
            # Declared once more: the embedded bus deletes what this very channel knows.
            ours = names.queue(queue, source, embedded=bus.is_embedded(url))(channel)
            ours.declare()
            ours.delete()


def publish_again(house: RunningHouse, source: str, messages: Iterable[tuple[Envelope, bytes]]) -> None:
    """Publish messages that were heard before, as a broker does that redelivers, in this order."""
    with names.connect(broker_url(house)) as broker, broker.channel() as channel:
        exchange = names.exchange(source)(channel)
        exchange.declare()
        producer = names.kombu.Producer(channel, exchange, auto_declare=False)
        for envelope, body in messages:
            producer.publish(
                body,
                routing_key=envelope.type,
                content_type=CONTENT_TYPE,
                content_encoding="utf-8",
                message_id=str(envelope.id),
                delivery_mode=2,
            )
