"""Parts of one answer: side by side, under one deadline, the absent ones named."""

from __future__ import annotations

import logging
import os
import time
from contextvars import ContextVar
from threading import Barrier, Event, get_ident

import pytest
from django.db import connections
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from fissile import carry
from fissile.edge import composition
from fissile.edge.composition import gather_parts
from fissile.errors import BrokenContractError, Refusal, UncertainError, UnreachableError

around = ContextVar("around", default="nothing")


class NoSuchThing(Refusal):
    """There is no such thing."""

    code = "tests.no_such_thing"


@pytest.fixture
def hanging():
    """A part that hangs until the test is over."""
    released = Event()
    yield lambda: released.wait(timeout=30)
    released.set()


def raising(error):
    def part():
        raise error

    return part


def test_parts_come_back_by_name():
    parts = gather_parts({"one": lambda: 1, "none": lambda: None}, deadline_seconds=5)

    assert parts.values == {"one": 1, "none": None}
    assert parts.missing == {}


def test_no_parts_are_an_empty_answer():
    assert gather_parts({}, deadline_seconds=5).values == {}


def test_parts_run_side_by_side():
    both = Barrier(2)

    parts = gather_parts({"one": lambda: both.wait(5), "other": lambda: both.wait(5)}, deadline_seconds=5)

    assert set(parts.values) == {"one", "other"}


def test_a_part_that_hangs_is_late_and_the_rest_is_there_at_the_deadline(hanging):
    started = time.monotonic()

    parts = gather_parts({"slow": hanging, "quick": lambda: 1}, deadline_seconds=0.2)

    assert parts.values == {"quick": 1}
    assert parts.missing == {"slow": "late"}
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [(UnreachableError(), "unreachable"), (UncertainError(), "uncertain"), (NoSuchThing(), "tests.no_such_thing")],
    ids=["unreachable", "uncertain", "refusal"],
)
def test_a_part_that_could_not_be_had_is_named_with_its_code(error, reason):
    assert gather_parts({"it": raising(error)}, deadline_seconds=5).missing == {"it": reason}


@pytest.mark.parametrize("bug", [BrokenContractError("lies"), ZeroDivisionError()], ids=["broken contract", "bug"])
def test_a_bug_is_raised_and_not_named_missing(bug):
    with pytest.raises(type(bug)):
        gather_parts({"it": raising(bug)}, deadline_seconds=5)


def test_a_bug_of_a_late_part_is_logged(caplog):
    released, done = Event(), Event()

    def late_bug():
        released.wait(timeout=30)
        raise ZeroDivisionError

    caplog.set_level(logging.ERROR, "fissile.edge.composition")
    caplog.handler.emit, emit = (lambda record: (emit(record), done.set())), caplog.handler.emit
    gather_parts({"it": late_bug}, deadline_seconds=0.01)
    released.set()

    assert done.wait(timeout=5)
    assert "late" in caplog.text


def test_a_part_sees_what_its_caller_carries_and_cannot_change_it():
    around.set("the caller's")

    def part():
        seen = around.get(), carry.current().correlation_id
        around.set("the part's")
        return seen

    with carry.using(correlation_id="c-1"):
        parts = gather_parts({"it": part}, deadline_seconds=5)

    assert parts.values["it"] == ("the caller's", "c-1")
    assert around.get() == "the caller's"


def test_a_part_is_in_the_trace_of_its_caller():
    with TracerProvider().get_tracer("tests").start_as_current_span("request") as span:
        parts = gather_parts({"it": lambda: trace.get_current_span().get_span_context()}, deadline_seconds=5)

    assert parts.values["it"].trace_id == span.get_span_context().trace_id


def test_a_part_is_told_the_deadline_and_a_nearer_one_wins():
    seconds = lambda: carry.remaining_seconds(60.0)  # noqa: E731
    far_away = gather_parts({"it": seconds}, deadline_seconds=5).values["it"]
    with carry.using(deadline=time.monotonic() + 1):
        near_by = gather_parts({"it": seconds}, deadline_seconds=5).values["it"]

    assert 4 < far_away <= 5
    assert 0 < near_by <= 1


def test_with_no_time_left_nothing_is_begun():
    begun = []

    with carry.using(deadline=time.monotonic()):
        parts = gather_parts({"it": lambda: begun.append(1)}, deadline_seconds=5)

    assert parts.missing["it"] in ("late", "unreachable")
    assert begun == []


def test_hanging_parts_never_take_more_threads_than_the_pool_has(hanging):
    crowd = {f"part {n}": hanging for n in range(composition.POOL_THREADS + 5)}

    parts = gather_parts(crowd, deadline_seconds=0.2)

    assert set(parts.missing.values()) == {"late"}
    assert len(composition._pool._threads) <= composition.POOL_THREADS


@pytest.mark.django_db(databases=["operations"], transaction=True)
def test_connections_that_a_part_opened_are_closed_when_it_is_done():
    def part():
        with connections["operations"].cursor() as cursor:
            cursor.execute("SELECT 1")
        return connections["operations"], get_ident()

    connection, thread = gather_parts({"it": part}, deadline_seconds=5).values["it"]

    assert thread != get_ident()
    assert connection.settings_dict["CONN_MAX_AGE"] == 0
    assert connection.connection is None


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_a_pool_of_its_own():
    gather_parts({"warm": lambda: 1}, deadline_seconds=5)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = gather_parts({"it": lambda: b"done"}, deadline_seconds=5)
            os.write(writer, answer.values.get("it", b"lost"))
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)

    with os.fdopen(reader, "rb") as said:
        assert said.read() == b"done"
