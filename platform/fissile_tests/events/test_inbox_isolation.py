"""Suspects in processes of their own: real children, which die, hang and end well, and the worker that starts them."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connections

from fissile.data.clock import Clock, database_now
from fissile.data.guard import writing
from fissile.events.inbox import ConsumeLoop, Isolation
from fissile.events.inbox.core import ATTEMPTS
from fissile.events.inbox.isolation import ISOLATION_SECONDS
from fissile.events.inbox.store import MARK_SECONDS
from fissile.events.isolated import MARGIN_SECONDS

from .parcels import EAR, Ear, heard, inbox, lapse, stream, versions_heard

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)
PATIENCE_SECONDS = 120.0
LOGGER = "fissile.events.inbox"


@pytest.fixture(autouse=True)
def nobody_is_left():
    """No child outlives its test."""
    yield
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.fixture
def isolation():
    """Children of the library's own program, on the database of the tests."""
    given = json.dumps({"database": str(connections["shoplet"].settings_dict["NAME"])})
    program = (sys.executable, "-m", "fissile_tests.events.consuming_process", given)
    made = Isolation(seconds=60.0, program=program)
    yield made
    made.close(0)


def child(code, **options):
    return Isolation(program=(sys.executable, "-c", code), **options)


def ended(isolation, caplog, words):
    """Wait until a sweep finds the child's end; the log must tell of it in these words."""
    ends = time.monotonic() + PATIENCE_SECONDS
    with caplog.at_level(logging.INFO, logger=LOGGER):
        while "in a process of its own" not in caplog.text:
            assert time.monotonic() < ends, "patience ended"
            threading.Event().wait(0.02)
            isolation.look()
    assert words in caplog.text


def suspect(*messages):
    """Store messages whose run never came back."""
    Ear().store(*messages)
    lapse()


def test_a_mark_that_never_came_back_is_taken_up_when_its_lease_has_run_out():
    ear = Ear()
    ear.store(*stream(length=1))
    with writing("shoplet"):
        inbox().update(attempts=1, marked_until=Clock() + timedelta(seconds=60))

    ear.sweep()
    assert heard() == []
    with writing("shoplet"):
        inbox().update(marked_until=Clock())
    ear.sweep()

    assert len(heard()) == 1


def test_a_suspect_is_handed_over_as_often_as_it_is_found_and_nothing_is_written():
    ear, (bad, _) = Ear(isolates=True), stream(length=2)
    ear.store(bad)
    lapse()
    before = list(inbox().values())

    ear.sweep()
    ear.sweep()

    assert ear.isolated == [bad.subject] * 2
    assert (list(inbox().values()), heard()) == (before, [])


def test_more_suspects_than_a_sweep_takes_hide_nobody_and_are_parked_when_their_time_has_come(monkeypatch):
    monkeypatch.setattr("fissile.events.inbox.store.SWEEP_LIMIT", 3)
    monkeypatch.setattr("fissile.events.inbox.store.SUSPECTS_LIMIT", 2)
    ear, suspects, good = Ear(isolates=True), [stream(length=1)[0] for _ in range(7)], stream(length=1)
    ear.store(*suspects)
    lapse()
    ear.store(*good)

    ear.sweep()
    assert heard() == [(good[0].subject, 1)]
    assert len(ear.isolated) == 2
    assert not ear.shell.is_full
    with writing("shoplet"):
        inbox().filter(state="waiting").update(attempts=ATTEMPTS)
    for _ in range(4):
        ear.sweep()

    assert inbox().filter(state="parked").count() == 7


def test_a_row_whose_runs_never_came_back_is_parked():
    ear = Ear()
    ear.store(*stream(length=1))
    with writing("shoplet"):
        inbox().update(attempts=ATTEMPTS)

    ear.sweep()

    assert inbox().get().state == "parked"
    assert "never came back" in inbox().get().reason
    assert heard() == []


def test_a_suspect_is_applied_by_its_child_and_its_successor_by_the_worker(isolation, caplog):
    first, second = stream(length=2)
    suspect(first)
    Ear().store(second)

    assert isolation.run(EAR, first.subject)
    ended(isolation, caplog, "ended with exit code 0")

    assert versions_heard(first.subject) == [1]
    Ear(isolates=True).sweep()
    assert versions_heard(first.subject) == [1, 2]


@pytest.mark.parametrize(
    ("note", "seconds", "says"), [("kill", 60.0, "was killed by SIGKILL"), ("hang", 0.2, "SIGALRM")],
    ids=["that kills its child", "that hangs, ended by its own alarm"],
)  # fmt: skip
def test_a_suspect_is_undone_and_its_mark_outlasts_its_child(isolation, caplog, note, seconds, says):
    (bad,) = stream(length=1, note=note)
    suspect(bad)
    isolation._seconds = seconds

    isolation.run(EAR, bad.subject)
    ended(isolation, caplog, says)

    row = inbox().get()
    assert (row.attempts, row.state, heard()) == (2, "waiting", [])
    assert row.marked_until > database_now("shoplet")


def test_a_suspect_that_raises_gets_its_verdict_from_its_child(isolation, caplog):
    (bad,) = stream(length=1, note="raise")
    suspect(bad)

    isolation.run(EAR, bad.subject)
    ended(isolation, caplog, "ended with exit code 0")

    row = inbox().get()
    assert (row.attempts, row.reason, row.marked_until) == (2, "ValueError: this parcel is broken", None)


def test_a_child_without_a_database_says_so(caplog):
    given = json.dumps({"database": "/nowhere/at/all"})
    lost = Isolation(program=(sys.executable, "-m", "fissile_tests.events.consuming_process", given))

    lost.run(EAR, "parcel/1")

    ended(lost, caplog, f"ended with exit code {os.EX_TEMPFAIL}")
    assert not lost.run(EAR, "parcel/1"), "a start that came to nothing is repeated at once"


def test_a_process_has_one_child_at_a_time(caplog):
    sleeper = child("import time; time.sleep(600)")

    assert sleeper.run(EAR, "parcel/1")
    assert not sleeper.run(EAR, "parcel/2")
    sleeper.close(0)

    assert "parcel/1" in caplog.text
    assert "parcel/2" not in caplog.text


def test_a_stop_waits_for_a_child_as_long_as_it_may_and_then_kills_it(caplog):
    began, sleeper = time.monotonic(), child("import time; time.sleep(600)")
    sleeper.run(EAR, "parcel/1")

    sleeper.close(0.2)

    assert 0.2 < time.monotonic() - began < 60
    assert "was killed by SIGKILL" in caplog.text
    assert not sleeper.run(EAR, "parcel/1"), "a child was started after the stop"


def test_a_stop_lets_a_child_end_well(caplog):
    brief = child("pass")
    brief.run(EAR, "parcel/1")

    with caplog.at_level(logging.INFO, logger=LOGGER):
        brief.close(PATIENCE_SECONDS)

    assert "ended with exit code 0" in caplog.text


def test_a_child_that_is_stopped_and_so_hears_no_alarm_is_killed(caplog, monkeypatch):
    monkeypatch.setattr("fissile.events.inbox.isolation.START_SECONDS", 0.2)
    stopped = child("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", seconds=0.0)

    stopped.run(EAR, "parcel/1")

    ended(stopped, caplog, "was killed by SIGKILL")


def test_a_program_that_cannot_be_started_is_tried_again(caplog):
    missing = Isolation(program=("/no/such/program",))

    assert not missing.run(EAR, "parcel/1")
    assert not missing.run(EAR, "parcel/1")

    assert caplog.text.count("no process to run parcel/1 in") == 2


def test_a_loop_hands_a_suspect_to_its_child_and_goes_on(isolation, broker_url, caplog):
    (bad,), good = stream(length=1, note="kill"), stream(length=3)
    suspect(bad)
    Ear().store(*good)

    ends = time.monotonic() + PATIENCE_SECONDS
    with caplog.at_level(logging.INFO, logger=LOGGER):
        loop = ConsumeLoop("shoplet", EAR, f"nowhere.{uuid4().hex}", "amqp://guest:guest@127.0.0.1:1//", isolation)
        loop.run(lambda: "was killed by SIGKILL" in caplog.text or time.monotonic() > ends)

    assert "was killed by SIGKILL" in caplog.text
    assert versions_heard(good[0].subject) == [1, 2, 3]
    assert inbox().get(aggregate=bad.subject).attempts == 2


def test_the_program_that_ships_sets_django_up_as_its_worker_has_it(caplog, capfd):
    shipped = Isolation()

    shipped.run("nowhere.depot", "parcel/1")

    ended(shipped, caplog, "ended with exit code 1")
    assert "No installed app with label 'nowhere'" in capfd.readouterr().err


def test_the_series_of_a_message_that_never_comes_back_takes_about_two_minutes():
    leases = [ISOLATION_SECONDS * attempt + MARGIN_SECONDS for attempt in range(2, ATTEMPTS + 1)]

    assert leases == sorted(leases)
    assert 60 < MARK_SECONDS + sum(leases) <= 120
