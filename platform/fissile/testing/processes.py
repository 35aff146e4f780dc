"""A set of real processes under a test's hand: start, kill, pause and stop each by name.

Unlike a supervisor it restarts nothing by itself: a test says when.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import urllib3


class Startable(Protocol):
    """A row of a process table."""

    @property
    def name(self) -> str:
        """Unique within its house."""

    @property
    def argv(self) -> tuple[str, ...]:
        """The program and its arguments."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables laid over the test's own."""

    @property
    def ready_url(self) -> str | None:
        """Where it says that it can work; None for a worker."""


class NotReady(AssertionError):
    """A process did not become ready, or ended by itself; the text has the end of its log."""


@dataclass(kw_only=True)
class Processes:
    """Processes by name, with their output in `log_dir/<name>.log`. Use as a context manager."""

    table: Iterable[Startable]
    cwd: Path
    log_dir: Path
    preexec: Callable[[], None] | None = None
    _rows: dict[str, Startable] = field(init=False)
    _running: dict[str, subprocess.Popen[bytes]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._rows = {row.name: row for row in self.table}
        self.log_dir.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Processes:
        """Start all and wait until those with an address are ready."""
        try:
            for name in self._rows:
                self.start(name)
            for name in self._rows:
                self.wait_ready(name)
        except BaseException:
            self.stop_all()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all, politely first."""
        self.stop_all()

    @property
    def names(self) -> tuple[str, ...]:
        """Every process of the table, running or not."""
        return tuple(self._rows)

    def start(self, name: str) -> None:
        """Start a process that is not running."""
        if name in self._running and self._running[name].poll() is None:
            raise RuntimeError(f"{name} runs already")
        row = self._rows[name]
        with (self.log_dir / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                row.argv,
                cwd=self.cwd,
                env={**os.environ, **row.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=self.preexec,
            )

    def is_running(self, name: str) -> bool:
        """True while the process lives, paused or not."""
        return name in self._running and self._running[name].poll() is None

    def pid(self, name: str) -> int:
        """Return the process id."""
        return self._running[name].pid

    def signal(self, name: str, number: int) -> None:
        """Send a signal to the whole process group of a running process."""
        os.killpg(self._running[name].pid, number)

    def kill(self, name: str) -> None:
        """Kill -9 a process with its children, and reap it."""
        self.signal(name, signal.SIGKILL)
        self._running[name].wait()

    def stop(self, name: str, *, within_seconds: float = 30) -> int:
        """Send SIGTERM to the process itself and wait; return its exit code; kill it after the time."""
        process = self._running[name]
        if process.poll() is None:
            process.terminate()
        try:
            return process.wait(within_seconds)
        except subprocess.TimeoutExpired:
            self.kill(name)
            return -signal.SIGKILL

    def wait_ready(self, name: str, *, within_seconds: float = 60) -> None:
        """Wait until a process answers 200 at its ready address; raise NotReady."""
        url, deadline = self._rows[name].ready_url, time.monotonic() + within_seconds
        if url is None:
            return
        http = urllib3.PoolManager(retries=False, timeout=2.0)
        while True:
            if self._running[name].poll() is not None:
                raise NotReady(f"{name} ended with {self._running[name].returncode}:\n{self.log(name)}")
            try:
                if http.request("GET", url).status == 200:
                    return
            except urllib3.exceptions.HTTPError:
                pass
            if time.monotonic() > deadline:
                raise NotReady(f"{name} is not ready after {within_seconds:g} s:\n{self.log(name)}")
            time.sleep(0.05)

    def log(self, name: str, *, last: int = 4000) -> str:
        """Return the end of a process's output."""
        path = self.log_dir / f"{name}.log"
        return path.read_text(errors="replace")[-last:] if path.exists() else ""

    def stop_all(self) -> None:
        """Stop whatever runs, all at once, and leave nothing of their groups behind."""
        alive = {name: process for name, process in self._running.items() if process.poll() is None}
        for process in alive.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for name in alive:
            self.stop(name, within_seconds=20)
        for process in self._running.values():
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
