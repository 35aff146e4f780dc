"""Leaving and telling: SIGTERM finishes what is in flight; every request is one span and one log line."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from gateway_house import PATIENCE_SECONDS, read_answer

from fissile.watch.trace_store import TraceStore

THEIRS = "00-11111111111111111111111111111111-2222222222222222-01"


def test_sigterm_finishes_the_request_in_flight_and_takes_no_more(own_stage, upstream):
    connection = own_stage.door.connect()
    connection.sendall(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
    assert upstream.held.wait(PATIENCE_SECONDS)

    idle = own_stage.door.connect()
    idle.sendall(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
    assert read_answer(idle).status == 200

    own_stage.process.send_signal(signal.SIGTERM)
    # The listener closes first, then idle connections: their end is the sign.
    assert idle.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        own_stage.door.connect()
    upstream.release()
    answer = read_answer(connection)

    assert (answer.status, answer.body) == (200, b"released")
    assert answer.is_closed
    assert own_stage.process.wait(PATIENCE_SECONDS) == -signal.SIGTERM


def test_a_request_is_one_span_that_starts_a_trace_and_links_to_the_clients(own_stage, upstream):
    answer = own_stage.door.ask("GET", "/items/7", [("traceparent", THEIRS), ("baggage", "a=b")])
    own_stage.stop()

    trace_id, span_id = answer.header("traceresponse").split("-")[1:3]
    (span,) = TraceStore(own_stage.folder / "traces.sqlite3").trace(trace_id)
    assert (span.name, span.kind, span.span_id, span.parent_id) == ("gateway", "server", span_id, "")
    assert span.attributes["http.route"] == "/items/{item_id}"
    assert span.attributes["http.response.status_code"] == 200
    assert span.links == [THEIRS[3:-3]]
    heard = dict(answer.json["headers"])
    assert heard["traceparent"].split("-")[1:3] == [trace_id, span_id]
    assert not heard.keys() & {"baggage", "tracestate"}


def test_a_request_is_one_log_line_that_repeats_nothing_the_client_wrote(own_stage, upstream):
    secret = "canary-4711"
    asked = [
        own_stage.door.ask("GET", f"/private?token={secret}", [("Authorization", f"Bearer {secret}")]),
        own_stage.door.ask("GET", f"/{secret}"),
        own_stage.door.ask("GET", f"/items/{secret}", [("Cookie", secret), ("User-Agent", secret)]),
        own_stage.door.raw(f"GET /{secret} HTTP/9.9\r\n{secret}\r\n\r\n".encode()),
    ]
    own_stage.stop()

    lines = [line for line in own_stage.log_lines() if line["event"] == "request"]
    told = {line["correlation_id"]: (line["status"], line.get("route")) for line in lines}
    wanted = [(401, "/private"), (404, None), (200, "/items/{item_id}"), (400, None)]
    assert [told[answer.header("x-correlation-id")] for answer in asked] == wanted
    assert all(line["trace_id"] for line in lines)
    assert secret not in (own_stage.folder / "log.jsonl").read_text()
    assert secret.encode() not in traces_of(own_stage.folder)


def traces_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("traces.sqlite3*"))
