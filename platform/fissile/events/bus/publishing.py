"""Publishing a batch: what is asked, what comes back, and the embedded bus's way of doing it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import kombu

from fissile.messages.envelope import CONTENT_TYPE

from . import topology


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """One encoded message; `id` is the message id, `routing_key` the event's type."""

    id: str
    routing_key: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Verdicts:
    """What the broker has said so far, by message id.

    `refused`: nacked, so it is this message's fault or the queue's. `returned`: no
    queue is bound to the exchange, so it is nobody's fault.
    """

    confirmed: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    returned: dict[str, str] = field(default_factory=dict)


class PublishBroken(Exception):
    """The connection is not usable any more; messages without a verdict may or may not be out.

    `blames_message`: the broker closed the channel because of a message it was
    given, or the client could not put it on the wire.
    """

    def __init__(self, reason: str, verdicts: Verdicts, *, blames_message: bool = False) -> None:
        super().__init__(reason)
        self.verdicts = verdicts
        self.blames_message = blames_message


class Publisher(Protocol):
    """A connection that publishes to one exchange. After PublishBroken it must be closed."""

    def publish(self, messages: Sequence[Outgoing], *, deadline_seconds: float) -> Verdicts:
        """Publish and wait for every verdict, at most `deadline_seconds` of wall clock."""

    def tick(self) -> None:
        """Keep an idle connection alive; raise PublishBroken if it is dead."""

    def close(self) -> None:
        """Close, whatever state it is in; never raises and never waits long."""


class EmbeddedPublisher:
    """Publishes to the SQLite bus: one commit per batch, and the commit is the confirm."""

    def __init__(self, broker_url: str, exchange: str) -> None:
        self._connection = topology.connect(broker_url)
        try:
            self._channel = self._connection.channel()
            self._exchange = topology.exchange(exchange)(self._channel)
            self._exchange.declare()
            # Opens the file: without it the first batch would be the first to notice.
            self._channel.db.execute("SELECT 1")
        except (sqlite3.Error, OSError) as wrong:
            self.close()
            raise PublishBroken(f"the bus file cannot be opened: {wrong}", Verdicts()) from wrong

    def publish(self, messages: Sequence[Outgoing], *, deadline_seconds: float) -> Verdicts:
        """Insert the whole batch in one transaction. SQLite's own busy limit is the deadline."""
        verdicts = Verdicts()
        producer = kombu.Producer(self._channel, self._exchange, auto_declare=False)
        try:
            self._channel.db.execute(f"PRAGMA busy_timeout={int(deadline_seconds * 1000)}")
            with self._channel.transaction():
                routed = {
                    key: self._channel.is_routed(self._exchange.name, key)
                    for key in {message.routing_key for message in messages}
                }
                for message in messages:
                    if not routed[message.routing_key]:
                        verdicts.returned[message.id] = "NO_ROUTE"
                        continue
                    producer.publish(
                        message.body, routing_key=message.routing_key, content_type=CONTENT_TYPE,
                        content_encoding="utf-8", headers=message.headers, message_id=message.id,
                    )  # fmt: skip
        except (sqlite3.Error, OSError) as wrong:
            raise PublishBroken(f"the bus file refused: {wrong}", Verdicts()) from wrong
        verdicts.confirmed = {message.id for message in messages} - set(verdicts.returned)
        return verdicts

    def tick(self) -> None:
        """Nothing to keep alive: there is no peer."""

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(sqlite3.Error, OSError):
            self._connection.release()
