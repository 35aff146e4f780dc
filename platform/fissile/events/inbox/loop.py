"""The loop of one consumer: receives, sweeps, reconnects, stops. One thread, one broker connection.

May touch: the consumer's queue, and through the shell its context's database.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence

from django.db import connections

from fissile.events import bus
from fissile.events.consumers import consumer

from . import core, failures
from .received import received
from .shell import InboxShell

# A batch commits as one; 50 keep its transaction short and fill a round trip well.
BATCH = 50
# Unacknowledged messages at most: the batch in hand and the next.
PREFETCH = 2 * BATCH
# How long a stop may go unnoticed.
LONGEST_WAIT_SECONDS = 0.5
# Part of correctness, not a convenience: skip-locked loses wake-ups (MESSAGING, hole 12).
SWEEP_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0

_log = logging.getLogger(__name__)


class _Pause:
    """Waiting times that grow while a neighbour is away."""

    def __init__(self) -> None:
        self._misses = 0
        self._until = 0.0

    def miss(self) -> float:
        """Note a failure; return the seconds until the next try."""
        seconds = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**self._misses)
        self._misses = min(self._misses + 1, 10)
        self._until = time.monotonic() + seconds
        return float(seconds)

    def hit(self) -> None:
        """Note a success."""
        self._misses = 0

    def left(self) -> float:
        """Return the seconds left to wait, or 0."""
        return max(0.0, self._until - time.monotonic())


class ConsumeLoop:
    """Applies the messages of `queue` to the inbox of `context`, until told to stop."""

    def __init__(self, context: str, consumer_name: str, queue: str, broker_url: str) -> None:
        self._context, self._queue, self._broker_url = context, queue, broker_url
        self._consumer = consumer(consumer_name)
        self._shell = InboxShell(self._consumer, acknowledge=self._ack, disconnect=self._database_lost)
        self._connection: bus.ConsumerConnection | None = None
        self._held: Sequence[bus.Delivery] = ()
        self._broker, self._database = _Pause(), _Pause()
        self._sweep_at = 0.0

    @property
    def counts(self) -> Counter[str]:
        """What became of messages since the start, by outcome."""
        return self._shell.counts

    def run(self, stop: Callable[[], bool]) -> None:
        """Consume until `stop()` is true. Only committed messages are acknowledged; never raises an Exception."""
        try:
            while not stop():
                self._turn(stop)
        finally:
            self._disconnect()
            self._shell.close()

    def _turn(self, stop: Callable[[], bool]) -> None:
        if left := self._database.left():
            time.sleep(min(left, LONGEST_WAIT_SECONDS))
            return
        now = time.monotonic()
        if now >= min(self._sweep_at, self._shell.soonest):
            self._sweep(stop)
            if self._database.left():
                return  # nothing is taken from the broker while there is no place to put it
        wait = min(self._sweep_at, self._shell.soonest) - time.monotonic()
        deliveries = self._receive(max(0.0, min(wait, LONGEST_WAIT_SECONDS)))
        if deliveries:
            self._held = deliveries
            messages = tuple(received(delivery) for delivery in deliveries)
            redelivered = any(delivery.redelivered for delivery in deliveries)
            self._shell.drive(core.Delivered(messages, redelivered), stop)

    def _sweep(self, stop: Callable[[], bool]) -> None:
        database = connections[self._context]
        database.close_if_unusable_or_obsolete()
        database.queries_log.clear()  # DEBUG keeps every statement, and this process runs for days
        self._sweep_at = time.monotonic() + SWEEP_SECONDS
        self._shell.drive(core.Tick(), stop)
        if not self._database.left():
            self._database.hit()
        if self._shell.is_full:
            self._sweep_at = time.monotonic()

    def _receive(self, timeout_seconds: float) -> Sequence[bus.Delivery]:
        if left := self._broker.left():
            time.sleep(min(left, timeout_seconds))
            return ()
        try:
            if self._connection is None:
                self._connection = self._connect()
            deliveries = self._connection.receive(timeout_seconds, BATCH)
        except Exception as wrong:  # noqa: BLE001 - any error of a client library ends its connection
            self._broker_lost(wrong)
            return ()
        self._broker.hit()
        return deliveries

    def _connect(self) -> bus.ConsumerConnection:
        # Declared each time: a broker that lost the queue gets it back, and order of starts is free.
        bus.declare(self._broker_url, (self._consumer.source,), ((self._queue, self._consumer.source),))
        return bus.open_consumer(self._broker_url, self._queue, PREFETCH)

    def _ack(self) -> None:
        held, self._held = self._held, ()
        if self._connection is None or not held:
            return
        try:
            self._connection.ack(held)
        except Exception as wrong:  # noqa: BLE001 - committed already; they come back and count as duplicates
            self._broker_lost(wrong)

    def _broker_lost(self, wrong: Exception) -> None:
        self._disconnect()
        seconds = self._broker.miss()
        _log.warning("%s: no broker (%s); next try in %.1f s", self._queue, failures.sentence(wrong), seconds)

    def _database_lost(self) -> None:
        self._disconnect()
        self._database.miss()

    def _disconnect(self) -> None:
        connection, self._connection, self._held = self._connection, None, ()
        if connection is not None:
            connection.close()
