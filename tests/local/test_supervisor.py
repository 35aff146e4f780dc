"""The supervisor of the local house: it restarts what dies and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.local.house import ROOT
from deploy.local.supervise import read_house

pytestmark = pytest.mark.house
WAIT_SECONDS = 20


def until(condition):
    """Return the condition's first true value; fail when none comes in time."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"nothing within {WAIT_SECONDS} s")


def free_ports(count):
    """Return the first of some neighbouring ports that are free now; below those that connections are given."""
    for base in range(21000, 25000, 10):
        probes = [socket.socket() for _ in range(count)]
        try:
            for offset, probe in enumerate(probes):
                probe.bind(("127.0.0.1", base + offset))
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
        return base
    raise AssertionError("no free ports")


def members_of(group):
    """Return the living processes of a process group."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if fields[0] != "Z" and int(fields[2]) == group:
            found.append(int(folder.name))
    return found


class Running:
    """A supervisor on the stage."""

    def __init__(self, state, *words):
        self.state = state
        self.port = free_ports(2)
        command = [sys.executable, "-m", "tests.local.stage", str(state), str(self.port), *words]
        self.popen = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        until(lambda: (read_house(state) or {}).get("is_ready"))
        self.groups = [row["pid"] for row in self.processes.values()]

    @property
    def processes(self):
        return read_house(self.state)["processes"]

    def end(self):
        """Return what it printed, once it has ended."""
        return self.popen.communicate(timeout=WAIT_SECONDS)[0]

    def left_behind(self):
        return [pid for group in self.groups for pid in members_of(group)]


@pytest.fixture
def supervisor(tmp_path):
    running = Running(tmp_path)
    yield running
    if running.popen.poll() is None:
        running.popen.kill()
    running.popen.communicate()


def test_a_killed_process_is_started_again_and_it_says_so(supervisor):
    killed = supervisor.processes["worker"]["pid"]

    os.kill(killed, signal.SIGKILL)

    until(lambda: supervisor.processes["worker"]["pid"] not in (killed, None))
    supervisor.groups += [row["pid"] for row in supervisor.processes.values()]
    supervisor.popen.terminate()
    assert "worker was killed by SIGKILL; starting it again in 0.2 s" in supervisor.end()
    assert supervisor.left_behind() == []


def test_a_held_process_stays_down_until_it_is_released(supervisor):
    hold = [sys.executable, "-m", "deploy.local.hold", "web", "--state-dir", str(supervisor.state)]
    first = supervisor.processes["web"]["pid"]

    subprocess.run(hold, cwd=ROOT, check=True)
    until(lambda: not members_of(first))
    subprocess.run([*hold, "--release"], cwd=ROOT, check=True)
    until(lambda: supervisor.processes["web"]["pid"] != first)
    supervisor.groups.append(supervisor.processes["web"]["pid"])
    stranger = subprocess.run([*hold[:3], "nobody", *hold[4:]], cwd=ROOT, capture_output=True, text=True, check=False)
    supervisor.popen.terminate()

    assert "web is held down" in supervisor.end()
    assert stranger.stderr == "This house has no nobody. Fix: use one of web, worker, gateway\n"
    assert supervisor.left_behind() == []


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_leaves_no_process_behind_and_exits_with_0(supervisor, ending):
    assert len(supervisor.left_behind()) == 6

    supervisor.popen.send_signal(ending)
    output = supervisor.end()

    assert supervisor.popen.returncode == 0
    assert "stopped, nothing left behind" in output
    assert supervisor.left_behind() == []
    assert read_house(supervisor.state) is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's parent-death signal is Linux's")
def test_processes_die_with_a_supervisor_that_is_killed(supervisor):
    supervisor.popen.kill()

    until(lambda: not supervisor.left_behind())


def test_a_process_that_ignores_the_stop_is_killed_by_a_second_one(supervisor):
    os.kill(supervisor.processes["web"]["pid"], signal.SIGSTOP)

    supervisor.popen.send_signal(signal.SIGINT)
    os.kill(supervisor.processes["gateway"]["pid"], 0)
    until(lambda: not members_of(supervisor.groups[2]))
    supervisor.popen.send_signal(signal.SIGINT)

    assert "killed, because the time was up: web" in supervisor.end()
    assert supervisor.left_behind() == []


def test_lines_are_shown_short_and_kept_raw(supervisor):
    os.kill(supervisor.processes["worker"]["pid"], signal.SIGKILL)
    raw = supervisor.state / "logs" / "worker.jsonl"
    until(lambda: len(raw.read_text().splitlines()) == 2)
    supervisor.popen.terminate()

    assert "worker   worker is ready password=·[2Jbad" in supervisor.end()
    assert json.loads(raw.read_text().splitlines()[1])["event"] == "worker is ready"


def test_a_second_house_in_the_same_folder_is_refused_in_one_sentence(supervisor):
    command = [sys.executable, "-m", "tests.local.stage", str(supervisor.state), str(free_ports(2))]

    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert second.returncode == 1
    assert second.stderr.startswith(f"A house already runs from {supervisor.state}")
    assert "Fix:" in second.stderr
    assert read_house(supervisor.state)


def test_a_busy_port_is_named_with_its_holder_and_the_fix(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [
            sys.executable,
            "-m",
            "deploy.local.supervise",
            "--base-port",
            str(port),
            "--state-dir",
            str(tmp_path),
        ]

        refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"Port {port} is in use by process {os.getpid()} (")
    assert refused.stderr.rstrip().endswith(f"make run BASE_PORT={port + 1000}")
    assert len(refused.stderr.splitlines()) == 1


def test_a_state_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    command = [sys.executable, "-m", "deploy.local.supervise", "--state-dir", str(tmp_path / "file" / "below")]

    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"The state folder {tmp_path}/file/below cannot be written (Not a directory).")
    assert len(refused.stderr.splitlines()) == 1
