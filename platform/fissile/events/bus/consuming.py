"""Consuming from one queue, the same way on both brokers: receive a batch, acknowledge it.

May touch: one connection of its own, from one thread.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import kombu

from . import topology

# Above the time a batch of handlers may take between two calls of receive(),
# which is when heartbeats are served; the broker gives up after two of them.
HEARTBEAT_SECONDS = 30
# Between the frames of deliveries that are already here.
_NEXT_SECONDS = 0.001
_AT_ONCE = 0.0


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One message as it arrived. `redelivered`: the broker gave it out before and got no ack."""

    body: bytes
    content_type: str | None
    message_id: str | None
    redelivered: bool
    tag: Any


class ConsumerConnection:
    """A consumer of one queue. After any of `errors` close it and open another."""

    def __init__(self, broker_url: str, queue: str, prefetch: int) -> None:
        self._connection = topology.connect(broker_url, heartbeat_seconds=HEARTBEAT_SECONDS)
        self.errors = topology.connection_errors(broker_url)
        self._arrived: list[Delivery] = []
        self._unacked: dict[Any, None] = {}
        self._checks_heartbeats = not topology.is_embedded(broker_url)
        try:
            self._channel = self._connection.channel()
            self._consumer = kombu.Consumer(
                self._channel, [kombu.Queue(queue, no_declare=True)], on_message=self._take,
                prefetch_count=prefetch, auto_declare=False, accept=None,
            )  # fmt: skip
            self._consumer.consume()
        except BaseException:
            self.close()
            raise

    def receive(self, timeout_seconds: float, limit: int) -> list[Delivery]:
        """Wait up to `timeout_seconds` for a first message, then take what is here, up to `limit`."""
        if self._checks_heartbeats:
            self._connection.heartbeat_check()
        ends = time.monotonic() + timeout_seconds
        while not self._arrived and (left := ends - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                self._connection.drain_events(timeout=left)
        with contextlib.suppress(TimeoutError):
            while 0 < len(self._arrived) < limit:
                # One alone waits for nobody; where there are two, more are on their way.
                self._connection.drain_events(timeout=_NEXT_SECONDS if len(self._arrived) > 1 else _AT_ONCE)
        batch, self._arrived = self._arrived[:limit], self._arrived[limit:]
        return batch

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge; what is not acknowledged before close() comes back flagged as redelivered."""
        if not self._checks_heartbeats:
            with self._channel.transaction():
                self._ack_each(delivery.tag for delivery in deliveries)
            return
        tags = {delivery.tag for delivery in deliveries}
        last = max(tags, default=0)
        if len(tags) > 1 and all(tag in tags for tag in self._unacked if tag <= last):
            self._channel.basic_ack(last, multiple=True)
            for tag in tags:
                self._unacked.pop(tag, None)
        else:
            self._ack_each(tags)

    def _ack_each(self, tags: Iterable[Any]) -> None:
        for tag in tags:
            self._channel.basic_ack(tag)
            self._unacked.pop(tag, None)

    def close(self) -> None:
        """Close; unacknowledged messages go back to the queue."""
        topology.close(self._connection)

    def cut(self) -> None:
        """Cut the connection from another thread; its own finds it broken, and what is unacknowledged goes back."""
        topology.cut(self._connection)

    def _take(self, message: Any) -> None:
        body = message.body if isinstance(message.body, bytes) else str(message.body).encode()
        self._unacked[message.delivery_tag] = None
        self._arrived.append(
            Delivery(
                body=body,
                content_type=message.content_type,
                message_id=message.properties.get("message_id"),
                redelivered=bool(message.delivery_info.get("redelivered")),
                tag=message.delivery_tag,
            )
        )
