"""A span that is built at its end is the record that the SDK's own span would have been."""

from __future__ import annotations

import pytest
from django.conf import settings
from opentelemetry.trace import SpanKind

from fissile.watch import tracing
from fissile.watch.leaves import Leaf
from fissile.watch.trace_store import TraceStore

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
KNOWN = {"message.id": "m1", "version": 3}


def kept(traceparent):
    tracing.flush()
    return TraceStore(settings.FISSILE["traces_file"]).trace(traceparent.split("-")[1])


@pytest.mark.parametrize("failed_for", ["", "nacked by the broker"])
def test_a_leaf_is_kept_below_its_parent_with_what_it_knows(failed_for):
    leaf = Leaf("relay publish x", SpanKind.PRODUCER, {"traceparent": f"00-{TRACE}-{PARENT}-01"}, KNOWN)

    leaf.end(failed_for)

    span = next(one for one in kept(leaf.traceparent) if one.span_id == leaf.traceparent.split("-")[2])
    assert (span.trace_id, span.parent_id) == (TRACE, PARENT)
    assert (span.name, span.kind, span.error, span.attributes) == ("relay publish x", "producer", failed_for, KNOWN)
    assert span.start_ns <= span.end_ns


@pytest.mark.parametrize(
    "given",
    [None, "", "nonsense", f"ff-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01"],
)
def test_without_a_parent_a_leaf_begins_a_trace(given):
    leaf = Leaf("alone", SpanKind.PRODUCER, {"traceparent": given}, {})

    leaf.end()

    (span,) = kept(leaf.traceparent)
    assert span.trace_id != TRACE
    assert span.parent_id == ""


def test_what_a_parent_does_not_sample_is_passed_on_and_not_kept():
    unsampled = f"00-{TRACE[::-1]}-{PARENT}-00"
    leaf = Leaf("quiet", SpanKind.PRODUCER, {"traceparent": unsampled}, {})

    leaf.end()

    assert leaf.traceparent.startswith(f"00-{TRACE[::-1]}-")
    assert leaf.traceparent.endswith("-00")
    assert kept(unsampled) == []
