"""Streaming: both ways as it comes, cut at the limit, ended with the client, in flat memory."""

from __future__ import annotations

import pytest
from gateway_house import MIB, PATIENCE_SECONDS, read_answer

# What one stream may add to the gateway's peak: buffers of both sides, not the content.
FLAT_KIB = 24 * 1024


def upload_head(path, length):
    return f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode()


def chunk(content):
    return b"%x\r\n%s\r\n" % (len(content), content)


@pytest.mark.parametrize("is_chunked", [False, True], ids=["with a length", "chunked"])
def test_an_upload_reaches_the_upstream_while_it_is_still_being_sent(door, upstream, is_chunked):
    total = 20 * MIB
    connection = door.connect()
    piece = b"x" * MIB
    frame = chunk if is_chunked else bytes
    head = upload_head("/upload", total)
    if is_chunked:
        head = b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

    connection.sendall(head + frame(piece) + frame(piece))
    assert upstream.first_megabyte.wait(PATIENCE_SECONDS)
    for _ in range(18):
        connection.sendall(frame(piece))
    if is_chunked:
        connection.sendall(b"0\r\n\r\n")

    assert read_answer(connection).json == {"received": total}


def test_large_bodies_leave_memory_flat_both_ways(own_stage, upstream):
    own_stage.door.ask("GET", "/echo")
    before = own_stage.peak_memory_kib
    connection = own_stage.door.connect()

    connection.sendall(upload_head("/upload", 128 * MIB))
    for _ in range(128):
        connection.sendall(b"x" * MIB)
    assert read_answer(connection).json == {"received": 128 * MIB}
    assert len(own_stage.door.ask("GET", "/download?mib=128").body) == 128 * MIB

    assert own_stage.peak_memory_kib - before < FLAT_KIB


def test_a_client_that_does_not_read_holds_the_upstream_back(own_stage, upstream):
    own_stage.door.ask("GET", "/echo")
    before = own_stage.peak_memory_kib
    connection = own_stage.door.connect()
    connection.sendall(b"GET /download?mib=128 HTTP/1.1\r\nHost: a\r\n\r\n")
    connection.recv(1024)

    # Another request is served meanwhile: the slow reader blocks itself only.
    assert own_stage.door.ask("GET", "/echo").status == 200
    assert own_stage.peak_memory_kib - before < FLAT_KIB


@pytest.mark.parametrize("path", ["/upload", "/held"])
def test_a_client_that_goes_away_ends_the_upstreams_work(door, upstream, path):
    connection = door.connect()
    if path == "/upload":
        connection.sendall(upload_head(path, 20 * MIB) + b"x" * 2 * MIB)
        assert upstream.first_megabyte.wait(PATIENCE_SECONDS)
    else:
        connection.sendall(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
        assert upstream.held.wait(PATIENCE_SECONDS)

    connection.close()

    assert upstream.client_gone.wait(PATIENCE_SECONDS)


def test_a_declared_body_over_the_limit_is_refused_before_it_is_sent(door, upstream):
    answer = door.raw(upload_head("/upload-small", MIB + 1))

    assert answer.status == 413
    assert answer.is_closed
    assert not upstream.requests


def test_a_large_refused_body_does_not_cost_the_answer(door, upstream):
    connection = door.connect()
    connection.sendall(upload_head("/echo", 900_000) + b"x" * 900_000)

    answer = read_answer(connection)

    assert answer.status == 413
    assert answer.json["code"] == "body_too_large"


@pytest.mark.parametrize("path", ["/upload-small", "/echo"])
def test_a_chunked_body_is_cut_at_the_limit(door, upstream, path):
    connection = door.connect()
    connection.sendall(f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    connection.sendall(chunk(b"x" * (MIB + 1)))

    answer = read_answer(connection)

    assert answer.status == 413
    assert answer.is_closed


def test_a_body_of_exactly_the_limit_passes(door, upstream):
    assert door.ask("POST", "/echo", body=b"x" * 1024).status == 200
    assert door.ask("POST", "/echo", body=b"x" * 1025).status == 413


def test_a_body_where_none_belongs_is_refused(door, upstream):
    answer = door.ask("GET", "/echo", body=b"x")

    assert answer.status == 400
    assert not upstream.requests


def test_an_answer_that_comes_before_the_body_is_whole_is_passed_on(door, upstream):
    connection = door.connect()
    connection.sendall(upload_head("/early", 20 * MIB) + b"x" * MIB)

    answer = read_answer(connection)

    assert (answer.status, answer.json) == (409, {"refused": True})
    assert answer.is_closed


def test_an_answer_cut_off_midway_is_never_passed_on_as_whole(door):
    connection = door.connect()
    connection.sendall(b"GET /breaks-midway HTTP/1.1\r\nHost: a\r\n\r\n")
    received = b""
    while piece := connection.recv(65536):
        received += piece

    assert b"content-length: 1000" in received.lower()
    assert received.endswith(b"half")


def test_an_answer_of_unknown_length_is_ended_properly(door):
    answer = door.ask("GET", "/download?mib=3")

    assert answer.header("transfer-encoding") == "chunked"
    assert len(answer.body) == 3 * MIB
