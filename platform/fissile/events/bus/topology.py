"""Exchanges and queues: computed from the contexts' declarations, declared before anything is published.

A topic exchange per publishing context; a durable queue per consumer, named
`<context>.<source>` and bound to the source's whole stream (`#`).
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import kombu

from fissile.contexts import Context

from . import sqlite_transport

# The last net. A handler's verdicts are counted in the inbox; the broker counts
# only deliveries that ended without an ack, a crash or a lost connection each. It
# must never fire before the inbox has stored the message, so it is far above any
# series of crashes, and below an endless loop (T17).
DELIVERY_LIMIT = 1000
DEAD_LETTERS = "fissile.dead-letters"
WHOLE_STREAM = "#"
CONNECT_TIMEOUT_SECONDS = 3.0
CLOSE_SECONDS = 1.0
# Callers have their own pauses between tries; kombu would wait two seconds inside.
_ONE_TRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


@dataclass(frozen=True, kw_only=True)
class Topology:
    """Names to declare: exchanges, and (queue, exchange it is bound to)."""

    exchanges: tuple[str, ...]
    queues: tuple[tuple[str, str], ...]


def topology_of(contexts: Iterable[Context]) -> Topology:
    """Return what these contexts publish to and consume from.

    Queues of consumers in other processes are declared by those processes. An
    event that reaches no queue at all is returned by the broker, stays in the
    outbox and is tried again (see the relay), so the order of starts is free.
    """
    known = tuple(contexts)
    publishers = {context.name for context in known if context.publishes}
    sources = {source for context in known for source in context.sources}
    queues = tuple((f"{context.name}.{source}", source) for context in known for source in context.sources)
    return Topology(exchanges=tuple(sorted(publishers | sources)), queues=queues)


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


def close(connection: kombu.Connection, *, is_broken: bool = False) -> None:
    """Close within a second, whatever the peer does; never raises.

    A polite close waits for the peer's answer, and a peer that trickles heartbeats
    instead would keep it waiting for ever. A broken connection is not asked.
    """

    def cut() -> None:
        with contextlib.suppress(Exception):
            if connection.connected:
                connection.connection.sock.shutdown(socket.SHUT_RDWR)

    if is_broken:
        cut()
    watchdog = threading.Timer(CLOSE_SECONDS, cut)
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
    """Declare exchanges and bound queues; a second time changes nothing."""
    with connect(broker_url) as connection, connection.channel() as channel:
        embedded = is_embedded(broker_url)
        if not embedded:
            _declare_dead_letters(channel)
        for name in exchanges:
            exchange(name)(channel).declare()
        for name, source in queues:
            queue(name, source, embedded=embedded)(channel).declare()


def exchange(name: str) -> kombu.Exchange:
    """Return the declaration of a context's exchange."""
    return kombu.Exchange(name, type="topic", durable=True)


def queue(name: str, source: str, *, embedded: bool) -> kombu.Queue:
    """Return the declaration of a consumer's queue."""
    arguments = None
    if not embedded:
        arguments = {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": DEAD_LETTERS,
            "x-dead-letter-routing-key": name,
            # At-least-once needs reject-publish; the default strategy may drop on its way (T17).
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
    return kombu.Queue(name, exchange(source), WHOLE_STREAM, durable=True, queue_arguments=arguments)


def _declare_dead_letters(channel: Any) -> None:
    net = kombu.Queue(
        DEAD_LETTERS,
        kombu.Exchange(DEAD_LETTERS, type="topic", durable=True),
        WHOLE_STREAM,
        durable=True,
        queue_arguments={"x-queue-type": "quorum"},
    )
    net(channel).declare()
