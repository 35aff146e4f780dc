"""A handler works in the trace of its message and under its ids, straight from the queue and from the table."""

from __future__ import annotations

from uuid import uuid4

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from fissile import carry
from fissile.watch import tracing
from fissile_tests.shoplet import projections

from .parcels import PARENT, TRACE, Ear, envelope, inbox

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)


@pytest.fixture
def ear():
    return Ear()


@pytest.fixture
def spans():
    """Return a function that returns the spans that ended since the test began."""
    exporter = InMemorySpanExporter()
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter.get_finished_spans
    exporter.shutdown()


def test_a_handler_works_in_the_trace_and_with_the_ids_of_its_message(ear, monkeypatch):
    seen = []
    hear = projections.hear

    def look(message, note):
        seen.append((carry.current(), tracing.current_ids()))
        hear(message, note)

    monkeypatch.setattr(projections, "hear", look)
    fast, slow = envelope(uuid4(), 1), envelope(uuid4(), 1)
    ear.hear(fast)
    ear.hear(slow, redelivered=True)

    for message, (carried, (trace_id, _)) in zip([fast, slow], seen, strict=True):
        assert carried.correlation_id == message.correlationid
        assert carried.causation_id == str(message.id)
        assert trace_id == TRACE
    assert inbox().get(message_id=slow.id).headers["traceparent"] == PARENT


def test_a_handler_is_a_span_in_the_consume_span_in_the_trace_of_the_message(ear, spans):
    fast, slow = envelope(uuid4(), 1), envelope(uuid4(), 1)
    ear.hear(fast)
    ear.hear(slow, redelivered=True)

    named = {}
    for one in spans():
        named.setdefault(one.name, []).append(one)
    assert set(named) == {"consume shoplet.depot", "handler shoplet"}
    for consume, handler in zip(named["consume shoplet.depot"], named["handler shoplet"], strict=True):
        assert f"{consume.parent.trace_id:032x}-{consume.parent.span_id:016x}" == PARENT[3:-3]
        assert consume.kind is SpanKind.CONSUMER
        assert handler.parent.span_id == consume.context.span_id


def test_the_envelope_from_the_table_is_the_one_that_came(ear, monkeypatch):
    seen = []
    monkeypatch.setattr(projections, "hear", lambda message, note: seen.append(message))
    message = envelope(uuid4(), 1, causationid="because", tracestate="a=b")

    ear.hear(message, redelivered=True)

    assert seen == [message]
