"""The loop of one consumer: receives, sweeps, reconnects, stops. One thread, one broker connection.

May touch: the consumer's queue, and through the shell its context's database.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from django.db import connections

from fissile.crash_points import reached
from fissile.events import bus
from fissile.events.receivers import ear

from . import core, failures
from .begun import Begun
from .isolation import Isolation
from .received import received
from .shell import InboxShell

# A batch commits as one, of what is there: one message when little comes, this many when much waits. More
# would keep its positions locked for longer than they save.
BATCH = 100
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
    """Applies the messages of `queue` to the inbox of `context`, until told to stop.

    Messages whose run never came back are run by `isolation`, which the consumers of a process share. What is being
    handled is noted below `state_dir`, for whoever comes after a kill; None: nowhere.
    """

    def __init__(
        self,
        context: str,
        consumer_name: str,
        queue: str,
        broker_url: str,
        isolation: Isolation,
        state_dir: Path | None = None,
    ) -> None:
        self._context, self._queue, self._broker_url = context, queue, broker_url
        self._isolation = isolation
        self._consumer = ear(consumer_name)
        self._begun = Begun(state_dir, consumer_name)
        self._shell = InboxShell(
            self._consumer,
            acknowledge=self._ack,
            disconnect=self._database_lost,
            isolate=self._isolate,
            begun=self._begun,
        )
        self._connection: bus.ConsumerConnection | None = None
        self._held: Sequence[bus.Delivery] = ()
        self._broker, self._database = _Pause(), _Pause()
        self._sweep_at = 0.0

    @property
    def counts(self) -> Counter[str]:
        """What became of messages since the start, by outcome."""
        return self._shell.counts

    def handler_seconds(self) -> float:
        """Return how long the handler that runs now has kept this loop; 0 if none does. Any thread may ask."""
        since = self._shell.handling_since
        return 0.0 if since is None else time.monotonic() - since

    def can_be_relieved(self) -> bool:
        """True if another loop could go on: a handler in a transaction of SQLite holds the whole file."""
        return connections[self._context].vendor != "sqlite"

    def cut_off(self) -> None:
        """Cut the broker's connection, from another thread: what it holds goes to whoever relieves this loop."""
        if (connection := self._connection) is not None:
            connection.cut()

    def run(self, stop: Callable[[], bool]) -> None:
        """Consume until `stop()` is true. Only committed messages are acknowledged; never raises an Exception."""
        self._begun.open()
        try:
            while not stop():
                self._turn(stop)
        finally:
            self._disconnect()
            self._shell.close()
            self._begun.close()

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
            reached("consumer.received")
            self._held = deliveries
            messages = tuple(received(delivery) for delivery in deliveries)
            redelivered = any(delivery.redelivered for delivery in deliveries)
            if redelivered:
                self._begun.look()  # whoever had them may have died over one of them
            self._shell.drive(core.Delivered(messages, redelivered), stop)

    def _sweep(self, stop: Callable[[], bool]) -> None:
        database = connections[self._context]
        database.close_if_unusable_or_obsolete()
        database.queries_log.clear()  # DEBUG keeps every statement, and this process runs for days
        self._sweep_at = time.monotonic() + SWEEP_SECONDS
        self._isolation.look()
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
        except bus.SourceMissing as missing:
            seconds = self._broker.miss()
            _log.warning("%s waits for its source: %s; next look in %.1f s", self._queue, missing, seconds)
            return ()
        except Exception as wrong:  # noqa: BLE001 - any error of a client library ends its connection
            self._broker_lost(wrong)
            return ()
        self._broker.hit()
        return deliveries

    def _connect(self) -> bus.ConsumerConnection:
        # Declared each time: a broker that lost the queue gets it back, and order of starts is free.
        bus.declare(self._broker_url, (), ((self._queue, self._consumer.exchange),))
        return bus.open_consumer(self._broker_url, self._queue, PREFETCH)

    def _ack(self) -> None:
        held, self._held = self._held, ()
        if self._connection is None or not held:
            return
        reached("consumer.committed_unacked")
        try:
            self._connection.ack(held)
            reached("consumer.acked")
        except Exception as wrong:  # noqa: BLE001 - committed already; they come back and count as duplicates
            self._broker_lost(wrong)

    def _broker_lost(self, wrong: Exception) -> None:
        self._disconnect()
        seconds = self._broker.miss()
        _log.warning("%s: no broker (%s); next try in %.1f s", self._queue, failures.sentence(wrong), seconds)

    def _isolate(self, aggregate: str) -> None:
        self._isolation.run(self._consumer.name, aggregate)

    def _database_lost(self) -> None:
        self._disconnect()
        self._database.miss()

    def _disconnect(self) -> None:
        connection, self._connection, self._held = self._connection, None, ()
        if connection is not None:
            connection.close()
