"""Publishing to RabbitMQ with pipelined confirms, matched by delivery tag, under a wall-clock deadline.

May touch: one connection of its own. py-amqp's own confirm mode waits for any
ack (T2) and its time-outs start again with each frame (T3); neither is used.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Sequence
from typing import Any

import amqp
from amqp.exceptions import AMQPError, ChannelError

from fissile.messages.envelope import CONTENT_TYPE

from . import topology
from .publishing import Outgoing, PublishBroken, Verdicts

# Server replies that speak about a message: content too large (311), precondition
# failed (406, RabbitMQ's message size limit), syntax error (502).
_ABOUT_A_MESSAGE = {311, 406, 502}
_TICK_SECONDS = 2.0
_PERSISTENT = 2


class AmqpPublisher:
    """One connection, one channel in confirm mode, one exchange. Discard it after any error."""

    def __init__(self, broker_url: str, exchange: str, *, heartbeat_seconds: float = 10) -> None:
        self._exchange = exchange
        self._waiting: dict[int, str] = {}
        self._verdicts = Verdicts()
        self._tag = 0
        self._ticked = 0.0
        self._is_broken = False
        self._connection = topology.connect(broker_url, heartbeat_seconds=heartbeat_seconds)
        try:
            self._channel = self._connection.channel()
            self._wire = self._connection.connection
            topology.exchange(exchange)(self._channel).declare()
            self._channel.events["basic_ack"].add(self._acked)
            self._channel.events["basic_nack"].add(self._nacked)
            self._channel.events["basic_return"].add(self._returned)
            self._channel.confirm_select()
        except (AMQPError, OSError) as wrong:
            self.close()
            raise PublishBroken(f"the broker cannot be reached: {wrong!r}", Verdicts()) from wrong

    def publish(self, messages: Sequence[Outgoing], *, deadline_seconds: float) -> Verdicts:
        """Send the whole batch, then read until every tag has its verdict."""
        self._waiting.clear()
        self._verdicts = Verdicts()
        ends, late = time.monotonic() + deadline_seconds, threading.Event()
        # The clock outside the client: it also ends a peer that sends a byte now
        # and then, and one that does not read.
        watchdog = threading.Timer(deadline_seconds, self._cut, (late,))
        watchdog.daemon = True
        watchdog.start()
        try:
            for message in messages:
                self._send(message)
            while self._waiting:
                self._read_frame(ends)
        except (AMQPError, OSError, ValueError, TypeError, struct.error) as wrong:
            raise self._broken(wrong, late.is_set(), deadline_seconds) from wrong
        finally:
            watchdog.cancel()
        return self._verdicts

    def _send(self, message: Outgoing) -> None:
        self._tag += 1
        self._waiting[self._tag] = message.id
        self._channel.basic_publish(
            amqp.Message(
                message.body, content_type=CONTENT_TYPE, content_encoding="utf-8",
                delivery_mode=_PERSISTENT, message_id=message.id, application_headers=message.headers,
            ),
            self._exchange, message.routing_key, mandatory=True,
        )  # fmt: skip

    def _read_frame(self, ends: float) -> None:
        left = ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        # One frame; drain_events() would start the clock again at each frame.
        self._wire.blocking_read(left)

    def _cut(self, late: threading.Event) -> None:
        late.set()
        with contextlib.suppress(OSError, AttributeError):
            self._wire.sock.shutdown(socket.SHUT_RDWR)

    def _broken(self, wrong: Exception, late: bool, deadline_seconds: float) -> PublishBroken:
        self._is_broken = True
        if late or isinstance(wrong, TimeoutError):
            reason = f"no confirm within {deadline_seconds:g} s"
            return PublishBroken(reason, self._verdicts)
        code = getattr(wrong, "reply_code", None)
        # What is neither the protocol's nor the network's error was raised while encoding.
        blames = code in _ABOUT_A_MESSAGE or not isinstance(wrong, (AMQPError, OSError))
        return PublishBroken(f"{wrong!r}", self._verdicts, blames_message=blames)

    # -- events of the channel, in the order the broker sends them: a return comes before its ack

    def _acked(self, tag: int, multiple: bool) -> None:
        for message_id in self._settle(tag, multiple):
            if message_id not in self._verdicts.returned:
                self._verdicts.confirmed.add(message_id)

    def _nacked(self, tag: int, multiple: bool) -> None:
        for message_id in self._settle(tag, multiple):
            self._verdicts.refused[message_id] = "nacked by the broker"

    def _returned(self, error: ChannelError, exchange: str, routing_key: str, message: Any) -> None:
        self._verdicts.returned[str(message.properties["message_id"])] = str(error.reply_text)

    def _settle(self, tag: int, multiple: bool) -> list[str]:
        tags = [waiting for waiting in self._waiting if waiting <= tag] if multiple else [tag]
        return [self._waiting.pop(settled) for settled in tags if settled in self._waiting]

    def tick(self) -> None:
        """Send a heartbeat when one is due, and notice a dead peer before the next batch."""
        if time.monotonic() - self._ticked < _TICK_SECONDS:
            return
        self._ticked = time.monotonic()
        try:
            with contextlib.suppress(TimeoutError):
                self._wire.drain_events(timeout=0.001)
            self._wire.heartbeat_tick()
        except (AMQPError, OSError) as wrong:
            self._is_broken = True
            raise PublishBroken(f"the idle connection is dead: {wrong!r}", Verdicts()) from wrong

    def close(self) -> None:
        """Close; the peer of a broken connection is not asked for a goodbye."""
        topology.close(self._connection, is_broken=self._is_broken)
