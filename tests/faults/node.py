"""The servers of the real tier under a fault's hand: kill, freeze, starve and start again.

May touch: the instance in SERVICES_DIR, and only if it was made for the faults (`deploy.local.run_faults`): others'
tests must not lose theirs.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from deploy.local.house import HOST, ROOT, SERVICES_DIR
from deploy.local.services import rabbitmq
from deploy.local.services.instance import Instance, base_of, is_listening, pid_of, runs_from, wait_until

# The folder that the runner gives to its own instance; its name is the permission to break it.
OWN = "faults"


class NotOurs(AssertionError):
    """The stores belong to somebody else; a fault that breaks them needs an instance of its own."""


class Node:
    """One server of the instance: `rabbitmq` or `postgres`."""

    def __init__(self, name: str) -> None:
        if SERVICES_DIR.resolve().parent.name != OWN:
            raise NotOurs(f"{SERVICES_DIR} was not made for faults. Fix: make faults, or deploy.local.run_faults")
        self.name = name
        self.instance = Instance(folder=SERVICES_DIR.resolve(), base=base_of(SERVICES_DIR, None))

    @cached_property
    def _places(self) -> tuple[str, Callable[[], int]]:
        home = self.instance.folder / self.name
        file = {"rabbitmq": home / "pid", "postgres": home / "data" / "postmaster.pid"}[self.name]
        return str(file), lambda: pid_of(file) or 0

    @property
    def pid(self) -> int:
        """The server's process; it is ours for certain: its command line names our folder."""
        file, read = self._places
        pid = read()
        if not runs_from(pid, self.instance.folder):
            raise NotOurs(f"{file} names {pid}, which is no server of {self.instance.folder}")
        return pid

    def kill(self) -> None:
        """Kill -9, and wait until it is gone."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        wait_until(f"the end of {self.name}", lambda: not runs_from(pid, self.instance.folder), seconds=20)

    def quit_at_once(self) -> None:
        """Have PostgreSQL drop everything (SIGQUIT, its "immediate" shutdown): the next start is a crash recovery."""
        self._end(signal.SIGQUIT)

    def quit_fast(self) -> None:
        """Have PostgreSQL roll back what is open, end its sessions and stop (SIGINT, its "fast" shutdown)."""
        self._end(signal.SIGINT)

    def kill_a_backend(self, rng: random.Random) -> None:
        """Kill -9 one of PostgreSQL's processes that serves a client: it ends all the others and recovers by itself."""
        serving = [child for child in self._children() if f" {HOST}(" in _title(child)]
        if not serving:
            raise AssertionError("no client is connected to PostgreSQL")
        os.kill(rng.choice(serving), signal.SIGKILL)

    def kill_postmaster(self) -> None:
        """Kill -9 PostgreSQL's first process, and wait for the others, which end once they see that."""
        everybody = [self.pid, *self._children()]
        self.kill()
        # To the last entry of the process table: to the next postmaster even one that nobody has reaped is alive.
        places = [Path(f"/proc/{pid}") for pid in everybody]
        wait_until("the end of PostgreSQL's processes", lambda: not any(one.exists() for one in places), seconds=60)

    def _children(self) -> list[int]:
        return [int(one) for one in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text("ascii").split()]

    def _end(self, number: signal.Signals) -> None:
        pid = self.pid
        os.kill(pid, number)
        wait_until(f"the end of {self.name}", lambda: not runs_from(pid, self.instance.folder), seconds=30)

    def freeze(self) -> None:
        """Stop it where it is (SIGSTOP): its connections stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def starve(self, of: str) -> None:
        """Have RabbitMQ believe that its `memory` or `disk` is used up (its alarms): publishers have to wait."""
        words = {"memory": ("set_vm_memory_high_watermark", "0.00001"), "disk": ("set_disk_free_limit", "1000000GB")}
        rabbitmq.control(self.instance, *words[of])

    def feed(self) -> None:
        """Give it back the shares that it was started with."""
        rabbitmq.control(self.instance, "set_vm_memory_high_watermark", "absolute", rabbitmq.MEMORY_LIMIT)
        rabbitmq.control(self.instance, "set_disk_free_limit", rabbitmq.DISK_LIMIT)

    def start(self) -> None:
        """Start it again on its data, and wait until it answers."""
        self._finish(self._begin())

    def start_and_listen(self) -> float:
        """Do so, and return when its port was open, on the monotonic clock: its clients are back before it is done."""
        starting, port = self._begin(), self.instance.ports[self.name]
        wait_until(f"{self.name}'s port", lambda: is_listening(port) or starting.poll() is not None, seconds=180)
        opened = time.monotonic()
        self._finish(starting)
        return opened

    def _begin(self) -> subprocess.Popen[str]:
        words = ["up", "--dir", str(self.instance.folder), "--for-tests", "--no-durable"]
        command = [sys.executable, "-m", "deploy.local.services", *words]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def _finish(self, starting: subprocess.Popen[str]) -> None:
        said, _ = starting.communicate(timeout=180)
        if starting.returncode:
            raise AssertionError(f"{self.name} does not start again:\n{said}")


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").replace("\0", " ")
    except OSError:
        return ""
