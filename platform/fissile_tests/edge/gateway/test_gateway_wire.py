"""Raw HTTP/1.1 at the door: what can be read in two ways is refused, and nothing of it reaches an upstream."""

from __future__ import annotations

import pytest
from gateway_house import read_answer

HOST = b"Host: a\r\n"
CHUNKED = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
CANARY = b"GET /echo?canary HTTP/1.1\r\nHost: a\r\n\r\n"


def post(headers: bytes, body: bytes = b"", version: bytes = b"HTTP/1.1") -> bytes:
    return b"POST /echo " + version + b"\r\n" + HOST + headers + b"\r\n" + body


def get(target: bytes = b"/echo", headers: bytes = b"", version: bytes = b"HTTP/1.1") -> bytes:
    return b"GET " + target + b" " + version + b"\r\n" + HOST + headers + b"\r\n"


LENGTHS = {
    "length and chunked": post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "chunked and length": post(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
    "two lengths": post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"abcdef"),
    "the same length twice": post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"abcde"),
    "a list of lengths": post(b"Content-Length: 5, 5\r\n", b"abcde"),
    "length with a plus": post(b"Content-Length: +5\r\n", b"abcde"),
    "negative length": post(b"Content-Length: -1\r\n", b"abcde"),
    "length with an underscore": post(b"Content-Length: 0_5\r\n", b"abcde"),
    "hexadecimal length": post(b"Content-Length: 0x5\r\n", b"abcde"),
    "length beyond 64 bits": post(b"Content-Length: 99999999999999999999999\r\n"),
    "empty length": post(b"Content-Length: \r\n"),
    "xchunked": post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
    "chunked, identity": post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"),
    "gzip, chunked": post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
    "chunked twice": post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "space before the colon": post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"),
    "vertical tab": post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"),
    "folded": post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"),
    "chunked in HTTP/1.0": post(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"HTTP/1.0"),
    "chunk size 0x5": CHUNKED + b"0x5\r\nabcde\r\n0\r\n\r\n",
    "chunk size -5": CHUNKED + b"-5\r\nabcde\r\n0\r\n\r\n",
    "chunk size beyond 64 bits": CHUNKED + b"fffffffffffffffff1\r\nabcde\r\n0\r\n\r\n",
    "chunk size and a space": CHUNKED + b"5 \r\nabcde\r\n0\r\n\r\n",
    "chunks with bare LF": CHUNKED + b"5\nabcde\n0\n\n",
    "chunk longer than it says": CHUNKED + b"5\r\nabcdeXX\r\n0\r\n\r\n",
    "LF in a chunk extension": CHUNKED + b"5;a\nb\r\nabcde\r\n0\r\n\r\n",
}
HEADS = {
    "two hosts": get(headers=b"Host: b\r\n"),
    "no host": b"GET /echo HTTP/1.1\r\n\r\n",
    "empty host": b"GET /echo HTTP/1.1\r\nHost:\r\n\r\n",
    "a host with a path": b"GET /echo HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "a host with a user": b"GET /echo HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "two hosts in one line": b"GET /echo HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "bare LF": b"GET /echo HTTP/1.1\nHost: a\n\n",
    "bare LF after a header": b"GET /echo HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "bare CR after a header": b"GET /echo HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
    "bare LF at the end": b"GET /echo HTTP/1.1\r\nHost: a\r\n\n",
    "a folded line": get(headers=b"X: a\r\n b\r\n"),
    "NUL in a value": get(headers=b"X: a\x00b\r\n"),
    "NUL in a name": get(headers=b"X\x00: a\r\n"),
    "a control character": get(headers=b"X: a\x01b\r\n"),
    "a space in a name": get(headers=b"X Y: a\r\n"),
    "a space before the first header": b"GET /echo HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n",
    "no colon": get(headers=b"XYZ\r\n"),
    "no name": get(headers=b": a\r\n"),
    "HTTP/0.9": b"GET /echo\r\n\r\n",
    "HTTP/2.0": get(version=b"HTTP/2.0"),
    "HTTP/1.2": get(version=b"HTTP/1.2"),
    "http/1.1": get(version=b"http/1.1"),
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an unknown method": b"FOO /echo HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method in lower case": b"get /echo HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tunnel": b"CONNECT evil:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a WebSocket": get(
        headers=b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    ),
    "HTTP/2 in clear text": post(b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n", b"abcde"),
    "not HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
}
TARGETS = {
    "absolute form": get(b"http://evil/echo"),
    "absolute form of this host": get(b"http://a/echo"),
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "an at sign": get(b"@evil/echo"),
    "a backslash first": get(b"\\evil/echo"),
    "a fragment": get(b"/echo#x"),
    "NUL": get(b"/echo\x00"),
    "bytes above ASCII": get(b"/echo\xff"),
    "a space": get(b"/echo x"),
    "a tab": get(b"/echo\tx"),
}
NO_ROUTE = [
    b"//evil/echo", b"///echo", b"/./echo", b"/../echo", b"/x/../echo", b"/items/..", b"/items/../echo",
    b"/items/%2e%2e", b"/items/%2e%2e%2fecho", b"/items/a%2fb", b"/items/a%5cb", b"/items/a%00b", b"/items/..;/echo",
    b"/items/a;b=c", b"/items/a\\b", b"/items/@evil", b"/%65cho", b"/echo/", b"/ECHO", b"/admin/", b"/metrics",
    b"/internal/users/get_account", b"/items/169.254.169.254/latest", b"/items/[::1]",
]  # fmt: skip


AMBIGUOUS = {**LENGTHS, **HEADS, **TARGETS}


@pytest.mark.parametrize("request_bytes", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_what_is_no_unambiguous_request_is_refused_and_the_connection_ends(door, upstream, request_bytes):
    connection = door.connect()
    connection.sendall(request_bytes + CANARY)

    answer = read_answer(connection)

    assert answer.status == 400
    assert answer.header("content-type") == "application/problem+json"
    assert answer.header("x-correlation-id")
    assert answer.is_closed
    assert not upstream.requests


@pytest.mark.parametrize("target", NO_ROUTE)
def test_a_path_that_plays_tricks_has_no_route(door, upstream, target):
    answer = door.raw(get(target))

    assert answer.status == 404
    assert answer.json["code"] == "not_found"
    assert not upstream.requests


def test_the_body_of_one_request_is_never_the_next_request(door, upstream):
    smuggled = b"GET /echo?smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    connection = door.connect()

    connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(smuggled) + smuggled)
    first = read_answer(connection)
    connection.sendall(CANARY)
    second = read_answer(connection)

    assert first.json["body"] == smuggled.decode()
    assert second.json["path"] == "/echo?canary"
    assert len(upstream.requests) == 2


def test_trailers_are_no_headers(door, upstream):
    answer = door.raw(
        b"POST /private HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"1\r\nx\r\n0\r\nAuthorization: Bearer good\r\n\r\n"
    )

    assert answer.status == 401
    assert not upstream.requests


def test_a_chunked_body_arrives_with_a_length(door, upstream):
    answer = door.raw(CHUNKED + b"5;ext=1\r\nabcde\r\n2\r\nfg\r\n0\r\nX-Trailer: t\r\n\r\n")

    assert answer.json["body"] == "abcdefg"
    assert dict(answer.json["headers"])["content-length"] == "7"
    assert "x-trailer" not in dict(answer.json["headers"])


def test_a_pipelined_request_is_dropped_and_the_first_one_answered(door, upstream):
    connection = door.connect()
    connection.sendall(get(b"/echo?first") + get(b"/echo?second") + get(b"/echo?third"))

    answer = read_answer(connection)

    assert answer.json["path"] == "/echo?first"
    assert answer.is_closed
    assert [request["path"] for request in upstream.requests] == ["/echo?first"]


def test_garbage_after_a_request_does_not_spoil_its_answer(door, upstream):
    answer = door.raw(get(b"/echo?first") + b"\x00\x01garbage\r\n\r\n")

    assert answer.json["path"] == "/echo?first"
    assert answer.is_closed


def test_a_connection_serves_one_request_after_another(door, upstream):
    connection = door.connect()
    for number in range(50):
        connection.sendall(get(b"/echo?%d" % number))
        assert read_answer(connection).json["path"] == f"/echo?{number}"


def test_many_kinds_of_answers_share_a_connection(door):
    kinds = [(b"/nothing", 204), (b"/unchanged", 304), (b"/nope", 404), (b"/down", 502), (b"/cookies", 200)]
    connection = door.connect()
    for target, status in kinds * 5:
        connection.sendall(get(target))
        assert read_answer(connection).status == status


def test_http_1_0_is_answered_and_closed(door):
    answer = door.raw(get(version=b"HTTP/1.0"))

    assert answer.status == 200
    assert answer.is_closed


def test_head_is_answered_without_a_body(door, upstream):
    connection = door.connect()
    for _ in range(3):
        connection.sendall(b"HEAD /echo HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = read_answer(connection, is_head=True)
        assert answer.status == 200
        assert int(answer.header("content-length")) > 0
    assert {request["method"] for request in upstream.requests} == {"HEAD"}


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (get(headers=b"".join(b"X-%d: a\r\n" % number for number in range(101))), 431),
        (get(headers=b"X: " + b"a" * 300_000 + b"\r\n"), 431),
        (get(headers=b"a" * 300_000 + b": b\r\n"), 431),
        (get(b"/echo?" + b"a" * 5_000), 414),
        (get(b"/echo?" + b"a" * 300_000), 431),
    ],
)
def test_a_head_has_limits(door, upstream, request_bytes, status):
    answer = door.raw(request_bytes)

    assert answer.status == status
    assert answer.header("content-type") == "application/problem+json"
    assert not upstream.requests


def test_a_head_that_never_ends_is_cut_off(door):
    connection = door.connect()
    connection.sendall(b"GET /echo HTTP/1.1\r\nHost: a\r\n")

    answer = read_answer(connection)

    assert answer.status == 408
    assert answer.is_closed


def test_a_connection_that_says_nothing_is_closed(door):
    assert door.connect().recv(1) == b""


def test_empty_lines_keep_no_connection_open(door):
    connection = door.connect()
    connection.sendall(get())
    assert read_answer(connection).status == 200

    connection.sendall(b"\r\n")

    # Either a 408 or a plain close; what counts is that it ends.
    while connection.recv(4096):
        pass


def test_continue_is_said_only_for_a_body_that_is_wanted(door, upstream):
    connection = door.connect()
    connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
    assert connection.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(b"body")
    assert read_answer(connection).json["body"] == "body"

    refused = door.raw(b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4096\r\n\r\n")
    assert refused.status == 413

    anonymous = door.raw(b"POST /private HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
    assert anonymous.status == 401
