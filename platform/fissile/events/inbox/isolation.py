"""The worker's side of isolation: a suspect's run in a child process, one at a time, reaped without waiting.

May touch: the child. What runs in it is `events/isolated.py`; it may
die or hang at nobody's expense, and be killed.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from .core import ATTEMPTS

# The n-th attempt may take n times as long. The last has the 30 s after which PostgreSQL ends a transaction that
# nobody uses; with its worker's lease the series of a message that never comes back takes some two minutes.
ISOLATION_SECONDS = 6.0
# A Python that imports a project and connects to its database, on a busy machine; and its end.
START_SECONDS = 30.0
# After one that came to nothing, for it found no database or not even its modules.
AGAIN_SECONDS = 5.0
PROGRAM: Sequence[str] = (sys.executable, "-m", "fissile.events.isolated")

_log = logging.getLogger(__name__)


class Isolation:
    """Starts children and tells the log what became of them. For all consumers of a process, and all their threads.

    `seconds`: of the first attempt; `program`: what is called with consumer, aggregate, these and START_SECONDS.
    """

    def __init__(self, *, seconds: float = ISOLATION_SECONDS, program: Sequence[str] | None = None) -> None:
        self._seconds, self._program = seconds, program
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._running, self._ends, self._again_at = "", 0.0, 0.0
        self._is_closed = False

    def run(self, consumer: str, aggregate: str) -> bool:
        """Start a child for the aggregate's next row; return False if one is running, or none could be started."""
        with self._lock:
            self._look()
            if self._child is not None or self._is_closed or time.monotonic() < self._again_at:
                return False
            command = [*(self._program or PROGRAM), consumer, aggregate, f"{self._seconds:g}", f"{START_SECONDS:g}"]
            try:
                # With the environment and the working directory by which this process found its own modules.
                self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
            except OSError as wrong:
                _log.error("%s: no process to run %s in: %s; trying again.", consumer, aggregate, wrong)
                return False
            self._running = f"{consumer}: {aggregate} in a process of its own, {self._child.pid},"
            # It ends itself before that, unless it is stopped.
            self._ends = time.monotonic() + 2 * START_SECONDS + self._seconds * ATTEMPTS
            _log.warning("%s: the last run of %s never came back; process %s runs it", consumer, aggregate,
                         self._child.pid)  # fmt: skip
            return True

    def look(self) -> None:
        """Reap the child if it has ended; end it if it should have long ago."""
        with self._lock:
            self._look()

    def close(self, seconds: float) -> None:
        """Start no more, and wait so long for the child; then kill it: an attempt is lost, and nothing else."""
        with self._lock:
            self._is_closed = True
            child = self._child
        if child is not None:
            with suppress(subprocess.TimeoutExpired):
                child.wait(seconds)
            self._ends = 0.0
            self.look()

    def _look(self) -> None:
        child = self._child
        if child is None:
            return
        if child.poll() is None:
            if time.monotonic() < self._ends:
                return
            child.kill()
            child.wait()
        self._child = None
        if child.returncode > 0:
            self._again_at = time.monotonic() + AGAIN_SECONDS
        level = logging.INFO if child.returncode == 0 else logging.ERROR
        _log.log(level, "%s %s", self._running, _ending(child.returncode))


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    if -code == signal.SIGALRM:
        return "never ended and was killed by its own alarm (SIGALRM)"
    return f"was killed by {signal.Signals(-code).name}"
