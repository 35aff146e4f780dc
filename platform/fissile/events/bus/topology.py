"""Exchanges and queues: computed from the contexts' declarations, declared before anything is published.

A topic exchange per publishing context; a durable queue per consumer, named
`<context>.<source>` and bound to the source's whole stream (`#`); a net for dead
letters per consuming context, `<context>.dead-letters`. What is said to one context
alone goes by an exchange of the sender's, `<sender>.to-<receiver>`, to one queue
of the receiver's, `<receiver>.from-<sender>` (decision 17). A context declares what
bears its name, and nothing else: the broker lets its user do no more.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import kombu
from amqp.exceptions import NotFound

from fissile.contexts import Context, directed_exchange, receiver_name

from . import sqlite_transport

# The last net. A handler's verdicts are counted in the inbox; the broker counts
# only deliveries that ended without an ack, a crash or a lost connection each. It
# must never fire before the inbox has stored the message, so it is far above any
# series of crashes, and below an endless loop (T17).
DELIVERY_LIMIT = 1000
DEAD_LETTERS = "dead-letters"
WHOLE_STREAM = "#"
CONNECT_TIMEOUT_SECONDS = 3.0
CLOSE_SECONDS = 1.0
# Callers have their own pauses between tries; kombu would wait two seconds inside.
_ONE_TRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


class SourceMissing(Exception):
    """The exchange of a source does not exist yet. Its owner makes it; a queue cannot be bound before."""


@dataclass(frozen=True, kw_only=True)
class Topology:
    """Names to declare: exchanges, and (queue, exchange it is bound to)."""

    exchanges: tuple[str, ...]
    queues: tuple[tuple[str, str], ...]


def topology_of(contexts: Iterable[Context]) -> Topology:
    """Return the exchanges these contexts own and the queues they consume from.

    Queues of consumers in other processes are declared by those processes. An
    event that reaches no queue at all is returned by the broker, stays in the
    outbox and is tried again (see the relay), so the order of starts is free.
    """
    known = tuple(contexts)
    exchanges = sorted(name for context in known for name in context.exchanges)
    queues = [(f"{context.name}.{source}", source) for context in known for source in context.sources]
    queues += [
        (receiver_name(context.name, sender), directed_exchange(sender, context.name))
        for context in known
        for sender in context.correspondents
    ]
    return Topology(exchanges=tuple(exchanges), queues=tuple(queues))


def connect(broker_url: str, *, heartbeat_seconds: float = 10, **options: Any) -> kombu.Connection:
    """Return a connection that gives up on a dead peer; it opens on first use."""
    if is_embedded(broker_url):
        return kombu.Connection(broker_url, transport_options=options)
    # Never confirm_publish here: py-amqp then waits for *some* ack, not for this message's (T2).
    return kombu.Connection(
        broker_url,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        heartbeat=heartbeat_seconds,
        transport_options={"read_timeout": 5, "write_timeout": 5, **_ONE_TRY, **options},
    )


def cut(connection: kombu.Connection) -> None:
    """End the connection for both sides at once, from any thread; never raises. It still wants closing."""
    with contextlib.suppress(Exception):
        if connection.connected:
            connection.connection.sock.shutdown(socket.SHUT_RDWR)


def close(connection: kombu.Connection, *, is_broken: bool = False) -> None:
    """Close within a second, whatever the peer does; never raises.

    A polite close waits for the peer's answer, and a peer that trickles heartbeats
    instead would keep it waiting for ever. A broken connection is not asked.
    """
    if is_broken:
        cut(connection)
    watchdog = threading.Timer(CLOSE_SECONDS, cut, [connection])
    watchdog.daemon = True
    watchdog.start()
    with contextlib.suppress(Exception):
        connection.release()
    watchdog.cancel()


def connection_errors(broker_url: str) -> tuple[type[Exception], ...]:
    """Return the exceptions that mean: this connection is dead, close it and open another."""
    connection = connect(broker_url)
    return (*connection.connection_errors, *connection.channel_errors, OSError)


def is_embedded(broker_url: str) -> bool:
    """True if the broker is the SQLite bus."""
    return broker_url.startswith(f"{sqlite_transport.Transport.driver_type}:")


def declare(broker_url: str, exchanges: Iterable[str], queues: Iterable[tuple[str, str]]) -> None:
    """Declare exchanges and bound queues; a second time changes nothing.

    Raise SourceMissing, once all else is declared, for queues whose source has no exchange yet.
    """
    with connect(broker_url) as connection:
        with connection.channel() as channel:
            for name in exchanges:
                exchange(name)(channel).declare()
        missing = [source for name, source in queues if not _bound(connection, name, source, is_embedded(broker_url))]
    if missing:
        raise SourceMissing(f"the exchange of {', '.join(missing)} is not there yet; its owner declares it")


def exchange(name: str, *, passive: bool = False) -> kombu.Exchange:
    """Return the declaration of a context's exchange; `passive`: only ask whether it is there."""
    return kombu.Exchange(name, type="topic", durable=True, passive=passive)


def queue(name: str, source: str, *, embedded: bool) -> kombu.Queue:
    """Return the declaration of a consumer's queue, bound to a source's exchange that somebody else declares."""
    arguments = None
    if not embedded:
        arguments = {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": dead_letters_of(name),
            "x-dead-letter-routing-key": name,
            # At-least-once needs reject-publish; the default strategy may drop on its way (T17).
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
    # The embedded bus has no exchanges to ask for: a binding is all there is, and anybody may make it.
    bound_to = exchange(source, passive=not embedded)
    return kombu.Queue(name, bound_to, WHOLE_STREAM, durable=True, queue_arguments=arguments)


def dead_letters_of(queue_name: str) -> str:
    """Return the exchange and queue where dead letters of a context's queue go, by its name's first word."""
    return f"{queue_name.partition('.')[0]}.{DEAD_LETTERS}"


def _bound(connection: kombu.Connection, name: str, source: str, embedded: bool) -> bool:
    # A channel each: the broker closes the one on which it found no exchange.
    with connection.channel() as channel:
        if not embedded:
            _declare_dead_letters(channel, dead_letters_of(name))
        try:
            queue(name, source, embedded=embedded)(channel).declare()
        except NotFound:
            return False
    return True


def _declare_dead_letters(channel: Any, name: str) -> None:
    net = kombu.Queue(
        name,
        kombu.Exchange(name, type="topic", durable=True),
        WHOLE_STREAM,
        durable=True,
        queue_arguments={"x-queue-type": "quorum"},
    )
    net(channel).declare()
