"""What is wrong behind the gate becomes a problem: 502, 503, 504; a slow client gets 408."""

from __future__ import annotations

import pytest

PROBLEM = "application/problem+json"
MEMBERS = {"type", "title", "status", "code", "detail"}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/down", 502, "upstream_unreachable"),
        ("POST", "/down", 502, "upstream_unreachable"),
        ("GET", "/breaks", 502, "upstream_broke_off"),
        ("GET", "/nowhere", 503, "upstream_unavailable"),
        ("GET", "/too-slow", 504, "upstream_timeout"),
    ],
)
def test_an_upstream_that_fails_is_answered_with_a_problem(door, method, path, status, code):
    answer = door.ask(method, path, body=b"{}" if method == "POST" else None)

    assert answer.status == status
    assert answer.header("content-type") == PROBLEM
    assert answer.header("retry-after").isdigit()
    assert answer.json["code"] == code
    assert set(answer.json) == MEMBERS
    assert "127.0.0.1" not in answer.body.decode()


def test_a_request_that_may_have_happened_is_sent_once(door, upstream):
    door.ask("POST", "/breaks")
    door.ask("GET", "/echo")

    assert [request["path"] for request in upstream.requests].count("/breaks") <= 1


def test_the_upstreams_work_ends_with_the_time_of_the_route(door, upstream):
    assert door.ask("GET", "/too-slow").status == 504
    assert upstream.client_gone.wait(20)


def test_a_client_that_never_sends_its_body_gets_408_and_holds_no_upstream(door, upstream):
    answer = door.raw(b"POST /impatient HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nonly this")

    assert answer.status == 408
    assert answer.json["code"] == "request_timeout"
    assert answer.is_closed
    assert not upstream.requests


def test_one_broken_upstream_leaves_the_others_alone(door):
    for _ in range(5):
        assert door.ask("GET", "/down").status == 502
        assert door.ask("GET", "/echo").status == 200


def test_every_answer_has_its_identity(door):
    for path in ("/echo", "/nope", "/private", "/down", "/healthz", "/readyz"):
        answer = door.ask("GET", path)

        assert len(answer.all("x-correlation-id")) == 1, path
        assert answer.header("traceresponse").startswith("00-"), path
        assert answer.header("x-content-type-options") == "nosniff", path


def test_health_is_the_gateways_own_and_readiness_names_its_dependencies(door, upstream):
    assert door.ask("GET", "/healthz").json["status"] == "alive"

    ready = door.ask("GET", "/readyz")

    assert ready.status == 503
    assert ready.json["dependencies"]["routes"] == {
        "status": "down",
        "reason": "no address for nowhere; name it in TOPOLOGY",
    }
    assert ready.json["dependencies"]["drain"] == {"status": "up"}
    assert not upstream.requests
