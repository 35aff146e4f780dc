"""Probes, metrics and the request middleware, as a client of a web process sees them."""

from __future__ import annotations

import json
import re
import threading
import time

import pytest
from django.conf import settings
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from django.urls import path

from fissile import carry
from fissile.watch import drain, health, metrics, tracing
from fissile.watch.middleware import Watched
from fissile.watch.trace_store import TraceStore

ALIASES = ["operations", *settings.FISSILE["contexts"]]


def ready():
    response = health.readyz(RequestFactory().get("/readyz"))
    return response.status_code, json.loads(response.content)


@pytest.fixture
def checks(monkeypatch):
    monkeypatch.setattr(health, "_checks", {})
    return health._checks


@pytest.fixture
def no_databases(monkeypatch):
    monkeypatch.setattr(health, "_aliases", list)


@pytest.mark.django_db(databases=ALIASES, transaction=True)
def test_a_process_is_ready_when_every_database_of_its_own_is_migrated(checks):
    status, body = ready()

    assert (status, body["status"]) == (200, "ready")
    assert {f"database {alias}" for alias in ALIASES} == set(body["dependencies"])


@pytest.mark.django_db(databases=ALIASES, transaction=True)
def test_a_database_behind_the_code_is_named_with_the_command_that_helps(checks):
    recorder = MigrationRecorder(connections["shoplet"])
    recorder.record_unapplied("shoplet", "0001_initial")
    try:
        status, body = ready()
    finally:
        recorder.record_applied("shoplet", "0001_initial")

    assert (status, body["status"]) == (503, "not_ready")
    assert body["dependencies"]["database orders"]["status"] == "up"
    assert "manage.py migrate --database shoplet" in body["dependencies"]["database shoplet"]["reason"]


def test_a_dependency_that_fails_is_named_without_its_password(checks, no_databases):
    def refuse():
        raise ConnectionError("cannot reach amqp://house:hunter2@127.0.0.1\nand a second line")

    health.register("broker", refuse)
    health.register("keys", lambda: None)

    status, body = ready()

    assert status == 503
    assert body["dependencies"]["keys"]["status"] == "up"
    assert body["dependencies"]["broker"]["reason"] == "cannot reach amqp://house:[redacted]@127.0.0.1"


def test_a_dependency_that_hangs_is_down_in_time_and_is_not_asked_twice(checks, no_databases, monkeypatch):
    monkeypatch.setattr(health, "DEADLINE_SECONDS", 0.05)
    let_go, asked = threading.Event(), []

    def hang():
        asked.append(1)
        let_go.wait(10)

    health.register("hanging", hang)
    started = time.monotonic()

    answers = [ready() for _ in range(3)]

    let_go.set()
    assert time.monotonic() - started < 5
    assert [status for status, _ in answers] == [503, 503, 503]
    assert answers[0][1]["dependencies"]["hanging"]["reason"] == "no answer within 0.05 s"
    assert asked == [1]


def test_a_draining_process_is_alive_but_not_ready(checks, no_databases, monkeypatch):
    monkeypatch.setattr(drain, "_draining", False)
    assert ready()[0] == 200

    drain.begin()

    assert (ready()[0], ready()[1]["status"]) == (503, "draining")
    assert health.healthz(RequestFactory().get("/healthz")).status_code == 200


# -- the middleware, with urls of its own


def _fine(request, number):
    with tracing.span("inside"):
        return HttpResponse(carry.current().correlation_id)


def _broken(request):
    raise ValueError("password=hunter2")


urlpatterns = [path("fine/<int:number>", _fine), path("broken", _broken)]


@pytest.fixture
def ask(client):
    client.raise_request_exception = False
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=["fissile.watch.middleware.Watched"]):
        yield client.get


def kept(response):
    tracing.flush()
    trace_id = response["traceresponse"].split("-")[1]
    return {span.name: span for span in TraceStore(settings.FISSILE["traces_file"]).trace(trace_id)}


def test_every_answer_carries_its_correlation_id_and_its_trace(ask):
    response = ask("/fine/7?q=1", headers={"x-correlation-id": "c-1"})

    assert response["x-correlation-id"] == response.text == "c-1"
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", response["traceresponse"])


@pytest.mark.parametrize("malformed", ["", "a b", "x" * 65, "<script>", "é"])
def test_a_malformed_correlation_id_is_replaced(ask, malformed):
    response = ask("/fine/7", headers={"x-correlation-id": malformed})

    assert response["x-correlation-id"] not in ("", malformed)


def test_the_server_span_is_named_by_its_route_and_hangs_under_the_caller(ask):
    caller = f"00-{'ab' * 16}-{'cd' * 8}-01"
    response = ask("/fine/7", headers={"traceparent": caller})

    spans = kept(response)
    served = spans["GET /fine/<int:number>"]
    assert (served.trace_id, served.parent_id) == ("ab" * 16, "cd" * 8)
    assert spans["inside"].parent_id == served.span_id


def test_an_unexpected_exception_fails_the_span_and_is_logged_with_the_trace(ask, caplog):
    response = ask("/broken")

    assert response.status_code == 500
    (span,) = kept(response).values()
    assert span.error == "ValueError: password=[redacted]"
    assert any(record.exc_info for record in caplog.records)


def test_queries_are_written_nowhere(ask, caplog):
    response = ask("/fine/7?t=one-time-secret")

    assert "one-time-secret" not in str(kept(response))
    assert "one-time-secret" not in caplog.text


def test_an_unknown_address_is_counted_once_for_all(ask):
    for number in range(3):
        ask(f"/nowhere/{number}")

    assert metrics.registry.get_sample_value(
        "fissile_http_requests_total",
        {"context": "house", "method": "GET", "route": "unmatched", "status_class": "4xx"},
    )


def test_probes_leave_no_trace_and_no_line(caplog):
    watched = Watched(lambda request: HttpResponse("ok"))

    response = watched(RequestFactory().get("/healthz"))

    assert "traceresponse" not in response
    assert response["x-correlation-id"]
    assert caplog.records == []


def scrape():
    return metrics.exposition(RequestFactory().get("/metrics")).content.decode()


def test_one_broken_collector_does_not_blind_the_others(monkeypatch):
    monkeypatch.setattr(metrics, "_collectors", {})

    def broken():
        raise ConnectionError("database down")

    metrics.register("broken", broken)
    metrics.register("outbox", lambda: [metrics.gauge("pending", "Rows.", ("context",), [(("orders",), 3)])])

    text = scrape()

    assert 'pending{context="orders"} 3.0' in text
    assert 'fissile_collector_up{collector="broken"} 0.0' in text
    assert 'fissile_collector_up{collector="outbox"} 1.0' in text


def test_a_made_up_method_does_not_make_a_series_of_its_own():
    for method in ("PROPFIND", "X" * 50):
        metrics.count_request(context="t", method=method, route="/methods", status=405, seconds=0.01)

    assert 'method="OTHER",route="/methods",status_class="4xx"} 2.0' in scrape()
