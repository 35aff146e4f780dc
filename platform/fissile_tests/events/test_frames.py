"""Frames by hand: the bytes that py-amqp would send, and what comes back in any pieces."""

from __future__ import annotations

import struct

import amqp
import pytest
from amqp.method_framing import frame_writer
from amqp.serialization import dumps

from fissile.events.bus.frames import METHOD, PublishFrames, verdict_in, whole_frames

CHANNEL, FRAME_MAX = 3, 4_096


class _Wire:
    """As much of py-amqp's connection and transport as its frame writer touches."""

    frame_max, negotiate_capabilities, bytes_sent = FRAME_MAX, {}, 0

    def __init__(self):
        self.sent = b""

    def write(self, data):
        self.sent += bytes(data)


def as_py_amqp_sends(exchange, key, message_id, body, headers):
    wire = _Wire()
    message = amqp.Message(
        body, content_type="application/json", content_encoding="utf-8",
        delivery_mode=2, message_id=message_id, application_headers=headers,
    )  # fmt: skip
    message._serialize_properties()
    frame_writer(wire, wire)(1, CHANNEL, (60, 40), dumps("Bssbb", (0, exchange, key, True, False)), message)
    return wire.sent


def frames():
    return PublishFrames(CHANNEL, FRAME_MAX, "application/json", "utf-8")


@pytest.mark.parametrize("headers", [{}, {"to": "depot", "how": "fast"}], ids=["no headers", "headers"])
@pytest.mark.parametrize("size", [0, 1, 900, FRAME_MAX - 8, FRAME_MAX - 7, 3 * FRAME_MAX])
def test_a_message_is_framed_as_py_amqp_does_it(size, headers):
    given = ("orders", "orders.placed.v1", "018f-é", b"x" * size, headers)

    mine = [*whole_frames(bytearray(frames().of(*given)))]

    assert mine == [*whole_frames(bytearray(as_py_amqp_sends(*given)))]


def test_a_name_that_fits_into_no_short_string_is_refused():
    with pytest.raises(ValueError, match="255 bytes"):
        frames().of("orders", "k" * 256, "m1", b"{}", {})


def ack(tag, *, multiple=False, method=80):
    payload = struct.pack(">HHQB", 60, method, tag, multiple)
    return struct.pack(">BHI", METHOD, CHANNEL, len(payload)) + payload + b"\xce"


@pytest.mark.parametrize("piece", [1, 5, 21, 22, 1_000])
def test_verdicts_are_read_whatever_the_pieces_they_come_in(piece):
    sent = ack(1) + ack(4, multiple=True) + ack(5, method=120)
    buffer, found = bytearray(), []

    for start in range(0, len(sent), piece):
        buffer += sent[start : start + piece]
        found += [verdict_in(payload) for _, _, payload in whole_frames(buffer)]

    assert found == [(True, 1, False), (True, 4, True), (False, 5, False)]
    assert not buffer


def test_what_is_no_verdict_is_left_to_others():
    heartbeat = b"\x08\0\0\0\0\0\0\xce"
    (frame,) = whole_frames(bytearray(heartbeat))

    assert frame == (8, 0, b"")
    assert verdict_in(b"") is None
    assert verdict_in(struct.pack(">HHQB", 60, 60, 1, 0)) is None


def test_a_stream_that_is_out_of_step_is_an_error():
    with pytest.raises(ValueError, match="does not end"):
        [*whole_frames(bytearray(ack(1)[:-1] + b"\0"))]


def test_frames_before_an_error_of_who_takes_them_are_not_given_out_again():
    buffer = bytearray(ack(1) + ack(2))

    for _ in whole_frames(buffer):
        break

    assert bytes(buffer) == ack(2)
