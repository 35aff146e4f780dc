"""Publishing a batch: what is asked, what comes back, and the embedded bus's way of doing it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import kombu

from fissile.crash_points import reached
from fissile.messages.envelope import CONTENT_TYPE

from . import topology


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """One encoded message; `id` is the message id, `routing_key` its type.

    `exchange` is one of the publisher's; empty: its first.
    """

    id: str
    routing_key: str
    body: bytes
    exchange: str = ""
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
    """A connection that publishes to exchanges of one context. After PublishBroken it must be closed."""

    def send(self, messages: Iterable[Outgoing], *, deadline_seconds: float) -> None:
        """Write a batch as it is made, without waiting for what comes of it. One batch at a time."""

    def verdicts(self, *, deadline_seconds: float) -> Verdicts:
        """Wait for every verdict on what was sent, at most `deadline_seconds` of wall clock."""

    def publish(self, messages: Iterable[Outgoing], *, deadline_seconds: float) -> Verdicts:
        """Do both; each has so many seconds."""

    def tick(self) -> None:
        """Keep an idle connection alive; raise PublishBroken if it is dead."""

    def close(self) -> None:
        """Close, whatever state it is in; never raises and never waits long."""


def on_the_way(messages: Iterable[Outgoing]) -> Iterator[tuple[Outgoing, bool]]:
    """Yield each message to be handed to a broker, and if it is the last; a process may die after each of them."""
    made = iter(messages)
    message = next(made, None)
    while message is not None:
        following = next(made, None)
        yield message, following is None
        message = following
        if message is not None:
            reached("relay.mid_batch")
    reached("relay.published_unconfirmed")


class EmbeddedPublisher:
    """Publishes to the SQLite bus: one commit per batch, and the commit is the confirm."""

    def __init__(self, broker_url: str, exchange: str, *others: str) -> None:
        self._verdicts = Verdicts()
        self._connection = topology.connect(broker_url)
        try:
            self._channel = self._connection.channel()
            self._exchange = topology.exchange(exchange)(self._channel)
            for one in (self._exchange, *(topology.exchange(name)(self._channel) for name in others)):
                one.declare()
            # Opens the file: without it the first batch would be the first to notice.
            self._channel.db.execute("SELECT 1")
        except (sqlite3.Error, OSError) as wrong:
            self.close()
            raise PublishBroken(f"the bus file cannot be opened: {wrong}", Verdicts()) from wrong

    def send(self, messages: Iterable[Outgoing], *, deadline_seconds: float) -> None:
        """Insert the whole batch in one transaction. SQLite's own busy limit is the deadline."""
        # Made first: the file is locked for as short as can be.
        messages, verdicts = tuple(messages), Verdicts()
        producer = kombu.Producer(self._channel, self._exchange, auto_declare=False)
        try:
            self._channel.db.execute(f"PRAGMA busy_timeout={int(deadline_seconds * 1000)}")
            with self._channel.transaction():
                ways = {(message.exchange or self._exchange.name, message.routing_key) for message in messages}
                routed = {way: self._channel.is_routed(*way) for way in ways}
                for message, _ in on_the_way(messages):
                    exchange = message.exchange or self._exchange.name
                    if not routed[exchange, message.routing_key]:
                        verdicts.returned[message.id] = "NO_ROUTE"
                        continue
                    producer.publish(
                        message.body, exchange=exchange, routing_key=message.routing_key, content_type=CONTENT_TYPE,
                        content_encoding="utf-8", headers=message.headers, message_id=message.id,
                    )  # fmt: skip
        except (sqlite3.Error, OSError) as wrong:
            raise PublishBroken(f"the bus file refused: {wrong}", Verdicts()) from wrong
        verdicts.confirmed = {message.id for message in messages} - set(verdicts.returned)
        self._verdicts = verdicts

    def verdicts(self, *, deadline_seconds: float) -> Verdicts:
        """Return them: the commit has told all."""
        return self._verdicts

    def publish(self, messages: Iterable[Outgoing], *, deadline_seconds: float) -> Verdicts:
        """Insert, and return the verdicts."""
        self.send(messages, deadline_seconds=deadline_seconds)
        return self._verdicts

    def tick(self) -> None:
        """Nothing to keep alive: there is no peer."""

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(sqlite3.Error, OSError):
            self._connection.release()
