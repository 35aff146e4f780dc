"""Consumers at their queues on the test's bus, one thread for all: as a worker's, twice, or shuffled.

May touch: their inboxes, and their queues.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from fissile.crash_points import reached
from fissile.events import bus
from fissile.events.consumers import Consumer
from fissile.events.inbox.loop import BATCH, PREFETCH
from fissile.events.inbox.received import Message, received
from fissile.messages import Command, Envelope, Event, Reply

from . import broker
from .ears import Ear

# The bus is a file: what is there is there at once.
_RECEIVE_SECONDS = 0.001
_EVERYTHING = 1_000_000


class Listener:
    """One consumer's inbox behind its queue; it wants closing."""

    batch, prefetch = BATCH, PREFETCH

    def __init__(self, who: Consumer) -> None:
        self._consumer = who
        self._ear = self._new_ear()
        self._connection: bus.ConsumerConnection | None = None
        self._held: Sequence[bus.Delivery] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._disconnect()
        self._ear.close()

    def listen(self) -> bool:
        """Take and apply what is in the queue; return False if it is empty. A lost database ends it early."""
        # First what is due, as a worker does; that is also when an operator's pause is noticed.
        self._ear.sweep()
        moved = False
        while deliveries := self._receive():
            moved = True
            self._deliver(deliveries)
            if self._connection is None:
                break
        return moved

    def retry(self) -> bool:
        """Retry at once what would be retried in a while; return False if there is nothing."""
        return self._ear.retry()

    def _new_ear(self) -> Ear:
        return Ear(self._consumer, acknowledge=self._acknowledge, disconnect=self._disconnect)

    def _receive(self) -> Sequence[bus.Delivery]:
        if self._connection is None:
            self._connection = bus.open_consumer(broker.url(), self._ear.name, self.prefetch)
        return self._connection.receive(_RECEIVE_SECONDS, self.batch)

    def _deliver(self, deliveries: Sequence[bus.Delivery]) -> None:
        reached("consumer.received")
        self._held = deliveries
        again = any(delivery.redelivered for delivery in deliveries)
        self._ear.take([received(delivery) for delivery in deliveries], redelivered=again)

    def _acknowledge(self) -> None:
        held, self._held = self._held, ()
        if self._connection is not None and held:
            # As the worker's loop does, which these listeners stand in for.
            reached("consumer.committed_unacked")
            self._connection.ack(held)
            reached("consumer.acked")

    def _disconnect(self) -> None:
        connection, self._connection, self._held = self._connection, None, ()
        if connection is not None:
            connection.close()


class Shuffled(Listener):
    """Takes all that is in the queue and delivers it in another order, each message alone."""

    batch, prefetch = _EVERYTHING, 0

    def __init__(self, who: Consumer, dice: random.Random) -> None:
        super().__init__(who)
        self._dice = dice

    def _deliver(self, deliveries: Sequence[bus.Delivery]) -> None:
        read = [(received(delivery), delivery) for delivery in deliveries]
        self._dice.shuffle(read)
        # As if this were the throw of another seed: with two messages every second one would change nothing.
        while _can_be_in_disorder(messages := [message for message, _ in read]) and _is_in_order(messages):
            self._dice.shuffle(read)
        for _, delivery in read:
            super()._deliver([delivery])


def _can_be_in_disorder(messages: list[Message]) -> bool:
    return len({message.aggregate for message in messages}) < len({(one.aggregate, one.version) for one in messages})


def _is_in_order(messages: list[Message]) -> bool:
    last: dict[str, int] = {}
    for message in messages:
        if message.version < last.get(message.aggregate, 0):
            return False
        last[message.aggregate] = message.version
    return True


class _Died(BaseException):
    """The consumer's process is gone; no handler and no loop may catch this."""


class Twice(Listener):
    """Dies once after each handler and before its commit; what was acknowledged at last is delivered once more."""

    # One at a time: a death takes nobody else's effects with it.
    batch, prefetch = 1, 1

    def __init__(self, who: Consumer, shape: type[Event | Command | Reply] | None) -> None:
        self._ran: set[UUID] = set()
        handlers = {
            name: (kind, self._mortal(function) if shape in (None, kind) else function)
            for name, (kind, function) in who.handlers.items()
        }
        super().__init__(replace(who, handlers=handlers))

    def _mortal(self, function: Callable[[Any, Envelope], Any]) -> Callable[[Any, Envelope], Any]:
        @wraps(function)
        def mortal(body: Any, message: Envelope) -> Any:
            answer = function(body, message)
            if message.id not in self._ran:
                self._ran.add(message.id)
                raise _Died
            return answer

        return mortal

    def listen(self) -> bool:
        """Take what is in the queue; return False if it is empty."""
        moved = False
        while True:
            try:
                return super().listen() or moved
            except _Died:
                self._come_back()
                moved = True

    def retry(self) -> bool:
        """Retry at once what would be retried in a while; return False if there is nothing."""
        try:
            return super().retry()
        except _Died:
            self._come_back()
            return True

    def _come_back(self) -> None:
        # Another process, with nothing in its memory: what was not acknowledged comes again, and says so.
        self._disconnect()
        self._ear.close()
        self._ear = self._new_ear()

    def _deliver(self, deliveries: Sequence[bus.Delivery]) -> None:
        super()._deliver(deliveries)
        self._ear.take([received(delivery) for delivery in deliveries])
