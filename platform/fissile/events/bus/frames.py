"""AMQP 0-9-1 frames of a publisher by hand: what is sent for a message, and the acks among what comes back.

py-amqp opens the connection and answers everything else; for these two, a message
each, it takes six times as long. May touch: nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from amqp.serialization import dumps

METHOD, _HEADER, _BODY = 1, 2, 3
_END = b"\xce"
_BASIC, _PUBLISH, _ACK, _NACK = 60, 40, 80, 120
# Content type, content encoding, headers, delivery mode, message id (4.2.6.1).
_PROPERTIES = 1 << 15 | 1 << 14 | 1 << 13 | 1 << 12 | 1 << 7
_PERSISTENT = 2
_MANDATORY = 1
# Type, channel and size before a payload, the end mark after it.
_AROUND = struct.Struct(">BHI")
_VERDICT = struct.Struct(">HHQB")
_OVERHEAD = _AROUND.size + 1


class PublishFrames:
    """Makes the frames of persistent, mandatory messages on one channel; `frame_max` is what was agreed on."""

    def __init__(self, channel: int, frame_max: int, content_type: str, content_encoding: str) -> None:
        self._channel = channel
        self._room = frame_max - _OVERHEAD
        self._before = _short(content_type) + _short(content_encoding)

    def of(self, exchange: str, routing_key: str, message_id: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Return one message as it goes on the wire; raise ValueError if a name is longer than 255 bytes."""
        method = struct.pack(">HHH", _BASIC, _PUBLISH, 0) + _short(exchange) + _short(routing_key) + bytes([_MANDATORY])
        table: bytes = dumps("F", [dict(headers)]) if headers else b"\0\0\0\0"
        properties = self._before + table + bytes([_PERSISTENT]) + _short(message_id)
        header = struct.pack(">HHQH", _BASIC, 0, len(body), _PROPERTIES) + properties
        parts = [body] if len(body) <= self._room else _cut(body, self._room)
        content = [self._frame(_BODY, one) for one in parts if one]
        return b"".join([self._frame(METHOD, method), self._frame(_HEADER, header), *content])

    def _frame(self, kind: int, payload: bytes) -> bytes:
        return _AROUND.pack(kind, self._channel, len(payload)) + payload + _END


def whole_frames(received: bytearray) -> Iterator[tuple[int, int, bytes]]:
    """Take every whole frame from the start of `received`: (type, channel, payload). Raise ValueError: out of step."""
    at = 0
    try:
        while len(received) - at >= _OVERHEAD:
            kind, channel, size = _AROUND.unpack_from(received, at)
            end = at + _AROUND.size + size
            if len(received) <= end:
                break
            if received[end] != _END[0]:
                raise ValueError(f"a frame of type {kind} does not end where it says")
            payload = bytes(received[at + _AROUND.size : end])
            at = end + 1
            yield kind, channel, payload
    finally:
        del received[:at]


def verdict_in(payload: bytes) -> tuple[bool, int, bool] | None:
    """Return (is an ack, delivery tag, and all before it) of a method's payload, or None if it is no ack or nack."""
    if len(payload) != _VERDICT.size:
        return None
    group, method, tag, bits = _VERDICT.unpack(payload)
    return (method == _ACK, tag, bool(bits & 1)) if group == _BASIC and method in (_ACK, _NACK) else None


def _short(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > 255:
        raise ValueError(f"a short string has at most 255 bytes, this one {len(encoded)}: {text[:40]}…")
    return bytes([len(encoded)]) + encoded


def _cut(body: bytes, room: int) -> Iterator[bytes]:
    for start in range(0, len(body), room):
        yield body[start : start + room]
