"""The worker's threads: they stop when asked, finish what they hold, and never leave a worker half alive."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from fissile.events import threads, worker
from fissile.events.hosting import Crew
from fissile.events.models import LANES
from fissile.events.outbox import publishing_contexts
from fissile.events.stopping import Stopping
from fissile.events.threads import Hosted

from .waiting import until

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def deaths():
    """Names of threads that ended without being asked, and an event that one has."""

    class Deaths(list):
        heard = threading.Event()

        def append(self, name):
            super().append(name)
            self.heard.set()

    return Deaths()


def test_asking_wakes_a_thread_that_sleeps():
    stopping = Stopping()
    threading.Timer(0.05, stopping.ask).start()

    assert stopping.wait(30)
    assert stopping.is_set()
    assert stopping.wait(0)
    stopping.close()


def test_a_crew_stops_its_threads_and_none_of_them_counts_as_dead(deaths):
    ended = []

    def work(stopping):
        stopping.wait(30)
        ended.append(True)

    crew = Crew([Hosted("one", work, deaths.append), Hosted("two", work, deaths.append)])
    crew.start()
    crew.start()
    crew.stop()

    assert (ended, deaths) == ([True, True], [])
    assert not any(member.is_alive() for member in crew.members)


def test_a_thread_that_returns_without_being_asked_is_reported(deaths):
    Hosted("brief", lambda stopping: None, deaths.append).start()

    assert deaths.heard.wait(10)
    assert deaths == ["brief"]


def test_a_thread_that_never_looks_at_its_flag_counts_as_hung(deaths, monkeypatch):
    monkeypatch.setattr(threads, "HUNG_SECONDS", 0.05)
    release, looks = threading.Event(), threading.Event()
    deaf = Hosted("deaf", lambda stopping: release.wait(30), deaths.append)
    deaf.start()

    seen = next((True for _ in range(100) if deaf.is_hung() or looks.wait(0.02)), False)
    began = time.monotonic()
    Crew([deaf]).stop()
    waited = time.monotonic() - began
    release.set()
    deaf._thread.join(10)

    assert seen
    assert waited < 5, "a stop waits for a thread that hangs, and nothing consumes meanwhile"
    assert not deaf.is_hung()


def test_a_worker_that_was_asleep_as_a_whole_does_not_end_and_one_that_hangs_afterwards_does(monkeypatch):
    """A stopped container, a paused machine: every thread is as silent as one that hangs."""
    monkeypatch.setattr(threads, "HUNG_SECONDS", 1.0)
    ended, release = [], threading.Event()
    monkeypatch.setattr(worker, "end_worker", ended.append)
    silent = Hosted("silent", lambda stopping: release.wait(30), lambda name: None)
    silent.start()
    until(silent.is_hung)

    assert worker.look_after([silent], 90.0)
    assert ended == []
    until(silent.is_hung)
    assert not worker.look_after([silent], 0.1)

    assert ended == ["silent"]
    release.set()
    until(lambda: not silent.is_alive())


def end_a_thread_by_itself():
    """Patch for a started worker: its relays return at once."""
    from fissile.events.relay import RelayLoop

    RelayLoop.run = lambda self, stopping: None


def celery_worker(state_dir, *launch):
    variables = {**os.environ, "TIER": "embedded", "ROLE": "all", "STATE_DIR": str(state_dir),
                 "DJANGO_SETTINGS_MODULE": "settings.local", "PROCESS_NAME": "worker"}  # fmt: skip
    addresses = [name for name in os.environ if name.endswith(("DATABASE_URL", "BROKER_URL"))]
    for name in ("KEYS_DIR", "TRACES_FILE", *addresses):
        variables.pop(name, None)
    variables["PYTHONPATH"] = f"{ROOT}{os.pathsep}{ROOT / 'platform'}"
    subprocess.run([sys.executable, "manage.py", "prepare"], cwd=ROOT, env=variables, check=True, timeout=120)
    return subprocess.Popen(
        [sys.executable, *launch, "-m", "celery", "-A", "settings.celery:app", "worker", "-P", "solo",
         "--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "INFO"],
        cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@pytest.mark.house
def test_a_worker_gives_its_leases_back_and_exits_cleanly_on_sigterm(tmp_path):
    said, publishing = [], [name for name in publishing_contexts() if name != "shoplet"]
    with celery_worker(tmp_path) as worker:
        for line in worker.stdout:
            said.append(line)
            if sum("holds the lease" in one for one in said) == len(publishing):
                worker.send_signal(signal.SIGTERM)
                break
        said += worker.stdout.readlines()

    assert worker.returncode == 0, "".join(said)
    for context in publishing:
        with closing(sqlite3.connect(tmp_path / "embedded" / f"{context}.sqlite3")) as database:
            assert database.execute(f"SELECT owner, fence FROM {context}_lane").fetchall() == [("", 1)] * LANES


@pytest.mark.house
def test_a_worker_whose_thread_dies_ends_with_an_error_for_its_supervisor(tmp_path):
    patch = f"{__name__}:end_a_thread_by_itself"
    with celery_worker(tmp_path, "-m", "fissile.testing.launch", "--patch", patch, "--") as worker:
        said, _ = worker.communicate(timeout=60)

    assert worker.returncode == 70, said
    assert "this worker ends" in said


def test_a_process_that_hosts_loops_lets_its_threads_take_short_turns():
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.005)
    try:
        Crew([]).start()
        assert sys.getswitchinterval() <= 0.001
    finally:
        sys.setswitchinterval(before)
