"""Publishers and consumers to compare with: hand-built frames, py-amqp with pipelined confirms, kombu one by one.

May touch: one connection to RabbitMQ each. None of them reads a database.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import amqp
import kombu

from fissile.events import bus
from fissile.events.bus import topology
from fissile.messages.envelope import CONTENT_TYPE

from .counting import Difference

# Unconfirmed at most; more gained nothing on a quorum queue of one node.
IN_FLIGHT = 1_000
_AT_ONCE = 200
_METHOD, _HEADER, _BODY, _END = 1, 2, 3, b"\xce"
_BASIC, _PUBLISH, _RETURN, _ACK, _NACK = 60, 40, 50, 80, 120
# Content type, content encoding, delivery mode, message id (AMQP 0-9-1, 4.2.6.1).
_PROPERTIES = 1 << 15 | 1 << 14 | 1 << 12 | 1 << 7
_PERSISTENT = 2
_TIMEOUT_SECONDS = 60.0


def publish_raw(url: str, exchange: str, messages: Sequence[bus.Outgoing]) -> float:
    """Publish with frames that were built before the clock started; return the seconds to the last confirm.

    The nearest to a C client that is to be had without one: what is left for Python is to write bytes and read acks.
    """
    with _confirming(url) as channel:
        wire = channel.connection.sock
        wire.settimeout(_TIMEOUT_SECONDS)
        frames = [_frames(channel.channel_id, exchange, message) for message in messages]
        acks, waiting = _Acks(wire), 0
        began = time.perf_counter()
        for start in range(0, len(frames), _AT_ONCE):
            batch = frames[start : start + _AT_ONCE]
            wire.sendall(b"".join(batch))
            acks.sent(len(batch))
            waiting = acks.read_until(IN_FLIGHT - _AT_ONCE)
        while waiting:
            waiting = acks.read_until(0)
        return time.perf_counter() - began


def publish_pipelined(url: str, exchange: str, messages: Sequence[bus.Outgoing]) -> float:
    """Publish with py-amqp, confirms matched by delivery tag, IN_FLIGHT at a time; return the seconds."""
    with _confirming(url) as channel:
        waiting: dict[int, None] = {}

        def acked(tag: int, multiple: bool) -> None:
            for one in list(_up_to(waiting, tag)) if multiple else [tag]:
                waiting.pop(one, None)

        channel.events["basic_ack"].add(acked)
        channel.events["basic_nack"].add(_refused)
        channel.events["basic_return"].add(_refused)
        began = time.perf_counter()
        for tag, message in enumerate(messages, 1):
            waiting[tag] = None
            channel.basic_publish(_amqp_message(message), exchange, message.routing_key, mandatory=True)
            while len(waiting) >= IN_FLIGHT:
                channel.connection.blocking_read(_TIMEOUT_SECONDS)
        while waiting:
            channel.connection.blocking_read(_TIMEOUT_SECONDS)
        return time.perf_counter() - began


def publish_one_by_one(url: str, exchange: str, messages: Sequence[bus.Outgoing]) -> float:
    """Publish with kombu's `confirm_publish`: each message waits for a confirm; return the seconds."""
    with topology.connect(url, confirm_publish=True) as connection, connection.channel() as channel:
        producer = kombu.Producer(channel, topology.exchange(exchange), auto_declare=False)
        began = time.perf_counter()
        for message in messages:
            producer.publish(
                message.body, routing_key=message.routing_key, content_type=CONTENT_TYPE, content_encoding="utf-8",
                message_id=message.id, delivery_mode=_PERSISTENT, mandatory=True,
            )  # fmt: skip
        return time.perf_counter() - began


def consume_and_ack(url: str, queue: str, count: int) -> tuple[float, list[str]]:
    """Take `count` messages with py-amqp and acknowledge 50 at a time; return the seconds and the message ids."""
    with topology.connect(url) as connection, connection.channel() as channel:
        heard: list[str] = []
        last = 0

        def take(message: Any) -> None:
            nonlocal last
            heard.append(message.properties["message_id"])
            last = message.delivery_tag
            if len(heard) % 50 == 0:
                channel.basic_ack(last, multiple=True)

        channel.basic_qos(0, 200, False)
        began = time.perf_counter()
        channel.basic_consume(queue, callback=take)
        while len(heard) < count:
            connection.connection.blocking_read(_TIMEOUT_SECONDS)
        if len(heard) % 50:
            channel.basic_ack(last, multiple=True)
        return time.perf_counter() - began, heard


@contextmanager
def _confirming(url: str) -> Iterator[Any]:
    with topology.connect(url) as connection, connection.channel() as channel:
        channel.confirm_select()
        yield channel


def _amqp_message(message: bus.Outgoing) -> amqp.Message:
    return amqp.Message(
        message.body, content_type=CONTENT_TYPE, content_encoding="utf-8",
        delivery_mode=_PERSISTENT, message_id=message.id,
    )  # fmt: skip


def _refused(*what: Any) -> None:
    raise Difference(f"the broker did not take a message: {what}")


def _up_to(waiting: dict[int, None], tag: int) -> Iterator[int]:
    for one in waiting:
        if one > tag:
            return
        yield one


def _short(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + _END


def _frames(channel: int, exchange: str, message: bus.Outgoing) -> bytes:
    method = struct.pack(">HHH", _BASIC, _PUBLISH, 0) + _short(exchange) + _short(message.routing_key) + b"\x01"
    header = struct.pack(">HHQH", _BASIC, 0, len(message.body), _PROPERTIES)
    header += _short(CONTENT_TYPE) + _short("utf-8") + bytes([_PERSISTENT]) + _short(message.id)
    return _frame(_METHOD, channel, method) + _frame(_HEADER, channel, header) + _frame(_BODY, channel, message.body)


class _Acks:
    """Reads confirms from a socket; knows which delivery tags have none yet."""

    def __init__(self, wire: Any) -> None:
        self._wire, self._rest = wire, b""
        self._waiting: dict[int, None] = {}
        self._tag = 0

    def sent(self, count: int) -> None:
        self._waiting.update(dict.fromkeys(range(self._tag + 1, self._tag + count + 1)))
        self._tag += count

    def read_until(self, left: int) -> int:
        while len(self._waiting) > left:
            received = self._wire.recv(65_536)
            if not received:
                raise Difference("the broker closed the connection")
            self._rest += received
            self._take_frames()
        return len(self._waiting)

    def _take_frames(self) -> None:
        at, data = 0, self._rest
        while len(data) - at >= 8:
            kind, _, size = struct.unpack_from(">BHI", data, at)
            if len(data) - at < size + 8:
                break
            if kind == _METHOD:
                self._take(data[at + 7 : at + 7 + size])
            at += size + 8
        self._rest = data[at:]

    def _take(self, payload: bytes) -> None:
        group, method = struct.unpack_from(">HH", payload)
        if (group, method) != (_BASIC, _ACK):
            _refused(group, method)
        tag, multiple = struct.unpack_from(">QB", payload, 4)
        for one in list(_up_to(self._waiting, tag)) if multiple else [tag]:
            self._waiting.pop(one, None)


def drain(url: str, queue: str, count: int) -> list[bus.Delivery]:
    """Take all messages of a queue, `count` or more, and acknowledge them; fewer if no more come for 5 s."""
    consumer, found = bus.open_consumer(url, queue, 500), []
    try:
        while batch := consumer.receive(5.0 if len(found) < count else 0.3, 500):
            consumer.ack(batch)
            found += batch
    finally:
        consumer.close()
    return found
