"""The trace store: shared by processes, bounded, and never in the way of the work."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult

from fissile.watch import trace_store
from fissile.watch.trace_store import StoredSpan, TraceStore
from fissile.watch.tracing import StoreExporter


def a_span(trace_id="a" * 32, span_id="1" * 16, parent_id="", start=1_000, end=2_000, **changes):
    return StoredSpan(
        **{
            "trace_id": trace_id,
            "span_id": span_id,
            "parent_id": parent_id,
            "name": "hop",
            "kind": "internal",
            "service": "web",
            "pid": os.getpid(),
            "start_ns": start,
            "end_ns": end,
            **changes,
        }
    )


@pytest.fixture
def store(tmp_path):
    """A store in a file of its own."""
    with closing(TraceStore(tmp_path / "t.sqlite3")) as made:
        yield made


def test_a_span_is_read_back_as_it_was_written(store):
    written = a_span(attributes={"sku": "chisel", "n": 3}, links=["x"], error="ValueError: no")

    store.add([written])

    assert store.trace("a" * 32) == [written]


def test_a_store_that_was_never_written_is_empty(tmp_path):
    store = TraceStore(tmp_path / "none" / "t.sqlite3")

    assert store.traces() == []
    assert store.trace("a" * 32) == []


def test_the_newest_spans_are_kept_and_the_file_stays_bounded(tmp_path):
    with closing(TraceStore(tmp_path / "t.sqlite3", newest_kept=100)) as store:
        for batch in range(64):
            store.add([a_span(trace_id=f"{batch:032x}", span_id=f"{n:016x}") for n in range(20)])

    with closing(sqlite3.connect(tmp_path / "t.sqlite3")) as reader:
        kept, oldest = reader.execute("SELECT count(*), min(trace_id) FROM spans").fetchone()
    assert 100 <= kept <= 100 + 20 * trace_store._TRIM_EVERY_BATCHES
    assert int(oldest, 16) > 32
    assert len(store.trace(f"{63:032x}")) == 20


def test_traces_are_listed_newest_first_under_their_first_hop(store):
    store.add([a_span(span_id="2" * 16, parent_id="1" * 16, start=1_500, end=9_000, name="inner", service="worker")])
    store.add([a_span(name="outer"), a_span(trace_id="b" * 32, start=5_000, end=6_000, name="later", error="no")])

    later, first = store.traces()

    assert (later.name, later.errors) == ("later", 1)
    assert (first.name, first.spans, first.services, first.start_ns, first.end_ns) == ("outer", 2, 2, 1_000, 9_000)


def _write_many(file: Path, number: int) -> None:
    with closing(TraceStore(file)) as store:
        for n in range(50):
            store.add([a_span(trace_id=f"{number:032x}", span_id=f"{n:016x}")])


def test_processes_write_side_by_side_and_lose_nothing(tmp_path):
    file = tmp_path / "t.sqlite3"
    writers = [multiprocessing.get_context("spawn").Process(target=_write_many, args=(file, n)) for n in range(4)]

    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)

    assert [writer.exitcode for writer in writers] == [0, 0, 0, 0]
    assert [len(TraceStore(file).trace(f"{n:032x}")) for n in range(4)] == [50, 50, 50, 50]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_writes_through_a_connection_of_its_own(store):
    store.add([a_span()])

    child = os.fork()
    if child == 0:
        store.add([a_span(span_id="2" * 16)])
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    store.add([a_span(span_id="3" * 16)])

    assert len(store.trace("a" * 32)) == 3


def test_a_store_that_cannot_be_written_does_not_stop_the_work(tmp_path, caplog):
    broken = tmp_path / "t.sqlite3"
    broken.write_bytes(b"this is no database at all, whatever its name says" * 100)
    exporter = StoreExporter(TraceStore(broken), "web")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    with provider.get_tracer("t").start_as_current_span("work"):
        done = True
    with provider.get_tracer("t").start_as_current_span("work"):
        pass

    assert done
    assert exporter.export([]) is SpanExportResult.FAILURE
    warnings = [record for record in caplog.records if "not being kept" in record.message]
    assert len(warnings) == 1
