"""Spans: parents across hops, refusals apart from failures; and how a trace is drawn."""

from __future__ import annotations

import contextlib
import json

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from fissile import carry
from fissile.errors import Refusal
from fissile.watch import tracing, waterfall
from fissile.watch.trace_store import TraceStore

from .test_trace_store import a_span


class OutOfStone(Refusal):
    """There is no stone left."""

    code = "watchtests.out_of_stone"


def spans_of(trace_id):
    tracing.flush()
    return {span.name: span for span in TraceStore(settings.FISSILE["traces_file"]).trace(trace_id)}


def test_a_hop_in_another_process_hangs_under_the_one_that_called_it():
    with tracing.span("call", kind="client"):
        trace_id, caller = tracing.current_ids()
        headers = carry.to_headers()
    with carry.from_headers(headers), tracing.span("serve", kind="server", sku="chisel", nothing=None):
        served_in, _ = tracing.current_ids()

    found = spans_of(trace_id)
    assert served_in == trace_id
    assert found["serve"].parent_id == caller
    assert found["serve"].attributes == {"sku": "chisel"}
    assert (found["call"].kind, found["serve"].kind) == ("client", "server")


def trace_of(name, wrong):
    """Raise an exception inside a span; return the span as it was kept."""
    with tracing.span("around"):
        trace_id, _ = tracing.current_ids()
        with contextlib.suppress(type(wrong)), tracing.span(name):
            raise wrong
    return spans_of(trace_id)[name]


def test_a_refusal_is_marked_but_is_no_failure():
    span = trace_of("decide", OutOfStone())

    assert span.error == ""
    assert span.attributes["refused"] == "watchtests.out_of_stone"


def test_a_failure_says_its_class_and_hides_secrets():
    span = trace_of("break", ValueError("password=hunter2"))

    assert span.attributes["error.type"] == "ValueError"
    assert span.error.startswith("ValueError: password=")
    assert "hunter2" not in span.error


def test_a_span_links_to_the_run_that_carried_it():
    with tracing.span("run") as run, tracing.span("publish", links=[run]):
        trace_id, _ = tracing.current_ids()

    found = spans_of(trace_id)
    assert found["publish"].links == [f"{trace_id}-{found['run'].span_id}"]


def test_the_traceresponse_header_names_the_span_in_hand():
    assert tracing.traceresponse() is None
    with tracing.span("serve"):
        trace_id, span_id = tracing.current_ids()
        assert tracing.traceresponse() == f"00-{trace_id}-{span_id}-01"


ORDER = [
    a_span(span_id="1" * 16, start=0, end=10_000_000, name="gateway", service="gateway"),
    a_span(span_id="2" * 16, parent_id="1" * 16, start=1_000_000, end=9_000_000, name="place", service="web"),
    a_span(span_id="3" * 16, parent_id="2" * 16, start=209_000_000, end=210_000_000, name="publish", service="worker"),
    a_span(span_id="4" * 16, parent_id="f" * 16, start=5_000_000, end=6_000_000, name="stray", service="web"),
]


def test_the_wait_between_a_hop_and_what_follows_it_later_is_shown():
    placed = {hop.span.name: hop for hop in waterfall.hops(ORDER)}

    assert [hop.depth for hop in placed.values()] == [0, 1, 2, 0]
    assert placed["publish"].waited_ns == 200_000_000
    assert placed["place"].waited_ns == 0


def test_spans_that_claim_to_be_each_others_parent_do_not_hang_the_drawing():
    circle = [
        a_span(span_id="1" * 16, parent_id="2" * 16),
        a_span(span_id="2" * 16, parent_id="1" * 16),
        a_span(span_id="3" * 16, parent_id="3" * 16),
    ]

    assert "hop" in waterfall.render(circle, width=80)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_waterfall_names_process_hop_start_and_duration_in_order(width):
    lines = waterfall.render(ORDER, width=width, ascii_only=True).splitlines()

    assert "gateway" in lines[1]
    assert "10.0 ms" in lines[1]
    assert "waited 200.0 ms" in lines[3]
    assert "209.0 ms" in lines[4]
    assert all(line.isascii() or "…" in line for line in lines)


def run(*arguments, capsys):
    call_command("traces", *arguments)
    return capsys.readouterr().out


def test_the_command_shows_a_trace_by_id_prefix_header_or_as_the_latest(capsys):
    with tracing.span("the newest hop"):
        trace_id, span_id = tracing.current_ids()
    tracing.flush()

    for wanted in ("latest", trace_id, trace_id[:20], f"00-{trace_id}-{span_id}-01"):
        assert "the newest hop" in run("show", wanted, capsys=capsys)


def test_the_command_prints_one_json_envelope(capsys):
    with tracing.span("outer"), tracing.span("inner"):
        trace_id, _ = tracing.current_ids()
    tracing.flush()

    shown = json.loads(run("show", trace_id, "--json", capsys=capsys))
    listed = json.loads(run("list", "--limit", "1", "--json", capsys=capsys))

    assert (shown["schema"], shown["command"], shown["ok"]) == ("cli/1", "traces show", True)
    assert [(span["name"], span["depth"]) for span in shown["data"]["spans"]] == [("outer", 0), ("inner", 1)]
    assert listed["data"][0]["trace_id"] == trace_id
    assert listed["next"] == [f"manage.py traces show {trace_id}"]


@pytest.mark.parametrize(("wanted", "code"), [("zzz", 2), ("../etc", 2), ("f" * 32, 3)])
def test_an_unknown_trace_is_an_error_a_script_can_read(wanted, code, capsys):
    with pytest.raises(CommandError) as raised:
        call_command("traces", "show", wanted)
    with pytest.raises(SystemExit) as left:
        call_command("traces", "show", wanted, "--json")

    document = json.loads(capsys.readouterr().out)
    assert (raised.value.returncode, left.value.code, document["ok"]) == (code, code, False)
    assert document["error"]["hint"]
