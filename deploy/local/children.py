"""One process of the house as the supervisor holds it: start, read, signal, start again.

May touch: the operating system's processes, the process's raw log.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from .ends_with_parent import end_with_parent
from .house import ROOT, Process
from .readable import RawLog

# A first restart is at once, so that a crash costs a moment; one that keeps dying must not burn the machine.
FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 10.0
# After so long alive, the next death is a new story.
HEALED_AFTER_SECONDS = 30.0
# A line longer than this is cut: one process must not fill the supervisor's memory.
LONGEST_LINE_BYTES = 1_000_000


@dataclass
class Child:
    """A process of the table and the operating system's process that is it now."""

    process: Process
    log: RawLog
    popen: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    started_at: float = 0.0
    restart_at: float | None = None
    is_ready: bool = False
    was_told_to_stop: bool = False
    # Said before the house was up and not shown: a traceback is worth its end only, once the process has died.
    held_back: deque[str] = field(default_factory=lambda: deque(maxlen=4))
    _rest: bytes = field(default=b"", repr=False)

    @property
    def name(self) -> str:
        """Return the process's name in the table."""
        return self.process.name

    @property
    def pid(self) -> int | None:
        """Return the process id while it runs."""
        return self.popen.pid if self.popen else None

    def start(self) -> None:
        """Start the process in a group of its own; it dies with the supervisor."""
        parent = os.getpid()
        self.popen = subprocess.Popen(
            self.process.argv,
            cwd=ROOT,
            env=os.environ | dict(self.process.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Its own group: Ctrl-C reaches the supervisor only, which then stops them in order.
            process_group=0,
            # Only one prctl call; the supervisor has a single thread.
            preexec_fn=lambda: end_with_parent(parent),
        )
        assert self.popen.stdout is not None  # noqa: S101 (it is a pipe)
        os.set_blocking(self.popen.stdout.fileno(), False)
        self.started_at, self.restart_at, self._rest = time.monotonic(), None, b""
        self.was_told_to_stop = False

    def fileno(self) -> int:
        """Return the pipe of its output, so that a selector can watch the child."""
        assert self.popen is not None and self.popen.stdout is not None  # noqa: S101, PT018
        return self.popen.stdout.fileno()

    def read_lines(self) -> tuple[list[bytes], bool]:
        """Return the whole lines that came and whether the pipe still is open."""
        try:
            found = os.read(self.fileno(), 65536)
        except BlockingIOError:
            return [], True
        lines = (self._rest + found).split(b"\n")
        self._rest = lines.pop()[:LONGEST_LINE_BYTES]
        if not found and self._rest:
            lines, self._rest = [self._rest], b""
        for line in lines:
            self.log.write(line)
        return lines, bool(found)

    def signal(self, number: int) -> None:
        """Send a signal to the process; nothing when it is gone."""
        if self.popen and self.popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.popen.pid, number)

    def kill_group(self) -> None:
        """Kill whatever is left of the process's group, its own children too."""
        if self.popen:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.popen.pid, signal.SIGKILL)

    def stop_once(self) -> bool:
        """Ask the process to stop; return whether this was the first time."""
        is_first, self.was_told_to_stop = not self.was_told_to_stop, True
        if is_first:
            self.signal(signal.SIGTERM)
        return is_first

    def is_due(self) -> bool:
        """Return whether the time to start it again has come."""
        return self.restart_at is not None and time.monotonic() >= self.restart_at

    def has_ended(self) -> bool:
        """Return whether the process is gone, or never was."""
        return self.popen is None or self.popen.poll() is not None

    def plan_restart(self) -> float:
        """Note a death; return the seconds until the next start."""
        now = time.monotonic()
        self.deaths = 1 if now - self.started_at > HEALED_AFTER_SECONDS else self.deaths + 1
        delay = min(FIRST_DELAY_SECONDS * 2 ** (self.deaths - 1), LONGEST_DELAY_SECONDS)
        self.restart_at, self.is_ready = now + delay, False
        return delay

    def how_it_ended(self) -> str:
        """Return `was killed by SIGKILL` or `ended with exit code 3`."""
        code = self.popen.returncode if self.popen else None
        if code is not None and code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"


def children_of(processes: tuple[Process, ...], logs: Path) -> list[Child]:
    """Return a child per process of the table, none of them started."""
    return [Child(process, RawLog(logs / f"{process.name}.jsonl")) for process in processes]
