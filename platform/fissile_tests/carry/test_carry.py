"""Carried values: what crosses a hop, and what a forged header cannot do."""

from __future__ import annotations

import time

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from fissile import carry
from fissile.carry import Principal


def test_what_is_carried_comes_out_of_the_headers_it_went_into():
    span = NonRecordingSpan(SpanContext(0xA1, 0xB2, is_remote=False, trace_flags=TraceFlags(1)))

    with trace.use_span(span), carry.using(correlation_id="c-1", causation_id="m-1"):
        headers = carry.to_headers()

    with carry.from_headers(headers) as carried:
        assert (carried.correlation_id, carried.causation_id) == ("c-1", "m-1")
        assert trace.get_current_span().get_span_context().trace_id == 0xA1


def test_headers_never_make_a_principal():
    somebody = Principal(kind="user", subject="u-1")

    with carry.using(principal=somebody), carry.from_headers({"x-user-id": "u-2"}) as inner:
        assert inner.principal == Principal()


@pytest.mark.parametrize("forged", ["", "a" * 65, "a b", "a\r\nb", "ünïcode", "-x"])
def test_a_malformed_correlation_id_is_replaced(forged):
    with carry.from_headers({"x-correlation-id": forged}) as carried:
        assert carried.correlation_id != forged
        assert carried.correlation_id


@pytest.mark.parametrize("forged", ["-5", "1e9", "٣", "9" * 12, "soon"])
def test_a_malformed_deadline_is_no_deadline(forged):
    with carry.from_headers({"x-deadline-ms": forged}) as carried:
        assert carried.deadline is None


def test_a_deadline_only_comes_closer():
    now = time.monotonic()

    with carry.using(deadline=now + 5), carry.using(deadline=now + 50) as inner:
        assert inner.deadline == now + 5
    with carry.using(deadline=now - 1):
        assert carry.remaining_seconds(10) == 0


def test_nothing_stays_behind_when_the_block_ends():
    before = carry.current()

    with pytest.raises(RuntimeError), carry.using(correlation_id="c-1"):
        raise RuntimeError

    assert carry.current() == before
