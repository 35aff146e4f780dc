"""What was being handled when a process was killed: known to whoever comes after it, and run in its own process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from uuid import uuid4

import pytest

from fissile.data.guard import writing
from fissile.events.inbox import begun
from fissile.events.inbox.begun import Begun
from fissile_tests.shoplet import projections

from .parcels import EAR, Ear, heard, inbox, stream, versions_heard

KILLED = """
import os, signal, sys
import django
django.setup()
from pathlib import Path
from uuid import UUID
from fissile.events.inbox.begun import Begun
mine = Begun(Path(sys.argv[1]), "shoplet.depot")
mine.open()
mine.begin(UUID(sys.argv[2]))
mine.begin(UUID(sys.argv[3]))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def hint(tmp_path):
    """Make threads' hints in one folder; all are closed afterwards."""
    made = []

    def make(consumer=EAR):
        made.append(Begun(tmp_path, consumer))
        made[-1].open()
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_what_a_killed_process_was_handling_is_read_by_whoever_comes_after_it(tmp_path, hint):
    first, last = uuid4(), uuid4()
    command = [sys.executable, "-c", KILLED, tmp_path, str(first), str(last)]
    killed = subprocess.run(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False)

    assert killed.returncode == -signal.SIGKILL
    assert hint().left == {last}
    assert hint("shoplet.other").left == frozenset()


def test_what_another_handles_is_known_until_it_has_come_back_and_ones_own_is_not(hint):
    mine, other, message = hint(), hint(), uuid4()

    other.begin(message)
    mine.look()
    other.look()
    assert (mine.left, other.left) == ({message}, frozenset())

    other.end()
    mine.look()
    assert mine.left == frozenset()


def test_files_of_the_living_stay_and_those_of_the_dead_go_once_they_tell_nothing(tmp_path, hint):
    folder = tmp_path / "begun" / EAR
    idle = hint()
    killed, was_idle, long_ago = (folder / name for name in ("killed", "idle", "old"))
    was_idle.write_bytes(bytes(16))
    for told in (killed, long_ago):
        told.write_bytes(uuid4().bytes)
    for old in (long_ago, folder / idle._name):
        os.utime(old, (0, 0))

    ended = hint()
    assert len(ended.left) == 1
    ended.close()

    assert {file.name for file in folder.iterdir()} == {killed.name, idle._name}
    assert begun.OLD_SECONDS >= 3600


def test_without_a_folder_or_a_file_there_are_no_hints_and_nothing_fails(tmp_path, caplog):
    (tmp_path / "begun").write_text("in the way")
    for one in (Begun(None, EAR), Begun(tmp_path, EAR)):
        one.open()
        one.begin(uuid4())
        one.end()
        one.look()
        one.close()
        assert one.left == frozenset()

    assert "No hints of what is being handled" in caplog.text


@pytest.fixture
def died(hint):
    """Return a function: from a message's handler, in another process, nobody came back."""
    return lambda message: hint().begin(message.id)


@pytest.mark.django_db(databases=["shoplet"], transaction=True)
def test_an_ear_hands_over_what_another_never_came_back_from_and_runs_its_neighbours(hint, died):
    killer, good, later = stream(length=2), stream(length=2), stream(length=1)
    died(killer[0])
    ear = Ear(isolates=True, begun=hint())

    ear.hear(*killer, *good, redelivered=True)
    ear.hear(*later)

    assert ear.isolated == [killer[0].subject]
    assert sorted(heard()) == sorted((one.subject, one.aggregateversion) for one in (*good, *later))
    assert set(inbox().filter(aggregate=killer[0].subject).values_list("state", "attempts")) == {("waiting", 0)}


@pytest.mark.django_db(databases=["shoplet"], transaction=True)
def test_an_ear_does_not_run_it_with_a_batch_either(hint, died):
    (killer,), good = stream(length=1), stream(length=1)
    died(killer)
    ear = Ear(isolates=True, begun=hint())

    ear.hear(killer, *good)

    assert ear.isolated == [killer.subject]
    assert heard() == [(good[0].subject, 1)]


@pytest.mark.django_db(databases=["shoplet"], transaction=True)
def test_an_ear_runs_it_like_any_other_once_it_has_had_a_verdict(hint, died):
    (message,) = stream(length=1)
    died(message)
    ear = Ear(isolates=True, begun=hint())
    ear.hear(message, redelivered=True)
    with writing("shoplet"):
        inbox().update(attempts=1)

    ear.sweep()

    assert versions_heard(message.subject) == [1]
    assert ear.isolated == [message.subject]


@pytest.mark.django_db(databases=["shoplet"], transaction=True)
def test_an_ear_runs_it_itself_if_it_hands_nothing_over(hint, died):
    (message,) = stream(length=1)
    died(message)

    Ear(begun=hint()).hear(message, redelivered=True)

    assert versions_heard(message.subject) == [1]


@pytest.mark.django_db(databases=["shoplet"], transaction=True)
def test_an_ear_notes_a_message_while_its_handler_runs_and_no_longer(hint, monkeypatch):
    mine, other, seen = hint(), hint(), []

    def hear(message, note):
        other.look()
        seen.append(other.left)
        if note == "bad":
            raise ValueError(note)

    monkeypatch.setattr(projections, "hear", hear)
    good, bad = stream(length=1)[0], stream(length=1, note="bad")[0]

    Ear(begun=mine).hear(good)
    Ear(begun=mine).hear(bad)
    other.look()

    assert seen[:2] == [{good.id}, {bad.id}]
    assert other.left == frozenset()
