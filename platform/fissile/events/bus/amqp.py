"""Publishing to RabbitMQ with pipelined confirms, matched by delivery tag, under a wall-clock deadline.

May touch: one connection of its own. py-amqp's own confirm mode waits for any
ack (T2) and its time-outs start again with each frame (T3); neither is used. Once
the channel is open, its socket is read here, and messages are written.
"""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import Any

from amqp.exceptions import AMQPError, ChannelError

from fissile.messages.envelope import CONTENT_TYPE

from . import topology
from .frames import METHOD, PublishFrames, verdict_in, whole_frames
from .publishing import Outgoing, PublishBroken, Verdicts, on_the_way

# Server replies that speak about a message: content too large (311), precondition
# failed (406, RabbitMQ's message size limit), syntax error (502).
_ABOUT_A_MESSAGE = {311, 406, 502}
_TICK_SECONDS = 2.0
# Messages written to the socket at once; the first of a batch goes alone.
_AT_ONCE = 100
# A socket's limit is set anew once the time that is left is shorter by this; each call gives other threads a turn.
_NEAR_SECONDS = 0.05
_READ_BYTES = 65_536
_GLANCE_SECONDS = 0.001


class AmqpPublisher:
    """One connection, one channel in confirm mode, the exchanges of one context. Discard it after any error."""

    def __init__(self, broker_url: str, exchange: str, *others: str, heartbeat_seconds: float = 10) -> None:
        self._exchange = exchange
        self._waiting: dict[int, str] = {}
        self._verdicts = Verdicts()
        self._tag = 0
        self._ticked = 0.0
        self._is_broken = False
        self._received = bytearray()
        self._connection = topology.connect(broker_url, heartbeat_seconds=heartbeat_seconds)
        try:
            self._channel = self._connection.channel()
            self._wire = self._connection.connection
            for name in (exchange, *others):
                topology.exchange(name)(self._channel).declare()
            self._channel.events["basic_return"].add(self._returned)
            self._channel.confirm_select()
            self._frames = PublishFrames(self._channel.channel_id, self._wire.frame_max, CONTENT_TYPE, "utf-8")
            self._timeout = self._wire.sock.gettimeout()
        except (AMQPError, OSError) as wrong:
            self.close()
            raise PublishBroken(f"the broker cannot be reached: {wrong!r}", Verdicts()) from wrong

    def send(self, messages: Iterable[Outgoing], *, deadline_seconds: float) -> None:
        """Write message by message as they are made: the broker works on the first ones meanwhile."""
        self._waiting.clear()
        self._verdicts = Verdicts()
        with self._within(deadline_seconds) as ends:
            # The first at once, so that the broker has something to do; then many in one write.
            held = bytearray()
            for number, (one, is_last) in enumerate(on_the_way(messages)):
                self._tag += 1
                self._waiting[self._tag] = one.id
                exchange = one.exchange or self._exchange
                held += self._frames.of(exchange, one.routing_key, one.id, one.body, one.headers)
                if is_last or number % _AT_ONCE == 0:
                    self._write(held, ends)
                    held = bytearray()

    def verdicts(self, *, deadline_seconds: float) -> Verdicts:
        """Read until every tag has its verdict."""
        with self._within(deadline_seconds) as ends:
            while self._waiting:
                self._read(ends)
        return self._verdicts

    def publish(self, messages: Iterable[Outgoing], *, deadline_seconds: float) -> Verdicts:
        """Send the whole batch, then wait."""
        self.send(messages, deadline_seconds=deadline_seconds)
        return self.verdicts(deadline_seconds=deadline_seconds)

    @contextlib.contextmanager
    def _within(self, deadline_seconds: float) -> Iterator[float]:
        """Have a part of a publish end by the time this yields; whatever goes wrong there raises PublishBroken."""
        try:
            yield time.monotonic() + deadline_seconds
        except (AMQPError, OSError, ValueError, TypeError, struct.error) as wrong:
            raise self._broken(wrong, deadline_seconds) from wrong
        finally:
            self._restore_timeout()

    def _write(self, data: bytes | bytearray, ends: float) -> None:
        # Not sendall(): on a TLS connection its limit starts again with each record.
        rest = memoryview(data)
        while rest:
            self._limit(ends)
            rest = rest[self._wire.sock.send(rest) :]
        # What py-amqp's heartbeats take for a sign of life, here and below.
        self._wire.bytes_sent += len(data)

    def _read(self, ends: float) -> None:
        """Wait for something to come and take it: a confirm or many."""
        self._limit(ends)
        came = self._wire.sock.recv(_READ_BYTES)
        if not came:
            raise ConnectionResetError("the broker closed the connection")
        self._wire.bytes_recv += 1
        self._received += came
        for kind, channel, payload in whole_frames(self._received):
            found = verdict_in(payload) if kind == METHOD and channel == self._channel.channel_id else None
            if found is None:
                self._wire.on_inbound_frame((kind, channel, payload))
            else:
                is_ack, tag, multiple = found
                (self._acked if is_ack else self._nacked)(tag, multiple)

    def _limit(self, ends: float) -> None:
        left, now = _left(ends), self._wire.sock.gettimeout()
        if now is None or not left <= now <= left + _NEAR_SECONDS:
            self._wire.sock.settimeout(left)

    def _restore_timeout(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            self._wire.sock.settimeout(self._timeout)

    def _broken(self, wrong: Exception, deadline_seconds: float) -> PublishBroken:
        self._is_broken = True
        if isinstance(wrong, TimeoutError):
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
        # Tags wait in the order in which they were given out.
        tags = list(takewhile(lambda waiting: waiting <= tag, self._waiting)) if multiple else [tag]
        return [self._waiting.pop(settled) for settled in tags if settled in self._waiting]

    def tick(self) -> None:
        """Send a heartbeat when one is due, and notice a dead peer before the next batch."""
        if time.monotonic() - self._ticked < _TICK_SECONDS:
            return
        self._ticked = time.monotonic()
        try:
            with contextlib.suppress(TimeoutError):
                self._read(time.monotonic() + _GLANCE_SECONDS)
            self._wire.heartbeat_tick()
        except (AMQPError, OSError, ValueError) as wrong:
            self._is_broken = True
            raise PublishBroken(f"the idle connection is dead: {wrong!r}", Verdicts()) from wrong
        finally:
            self._restore_timeout()

    def close(self) -> None:
        """Close; the peer of a broken connection is not asked for a goodbye."""
        topology.close(self._connection, is_broken=self._is_broken)


def _left(ends: float) -> float:
    """Return the seconds that are left; raise TimeoutError if none are."""
    if (left := ends - time.monotonic()) <= 0:
        raise TimeoutError
    return left
