"""Asking a thread to stop: a flag and a pipe, so that a signal handler may ask and a select() may listen."""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress


class Stopping:
    """Like threading.Event, without its lock, which a signal handler must not take.

    Each look at it is also a sign of life: `silent_seconds()` tells how long its
    thread has not asked.
    """

    def __init__(self) -> None:
        self._asked = False
        self._asked_at = time.monotonic()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def ask(self) -> None:
        """Ask to stop. Safe in a signal handler and any number of times."""
        self._asked = True
        with suppress(BlockingIOError, OSError):
            os.write(self._writer, b"x")

    set = ask

    def is_set(self) -> bool:
        """True once asked."""
        self._asked_at = time.monotonic()
        return self._asked

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep up to `timeout` seconds or until asked; return whether asked."""
        if not self.is_set():
            select.select([self._reader], [], [], timeout)
        return self.is_set()

    def fileno(self) -> int:
        """Return a descriptor that is readable for ever once asked."""
        return self._reader

    def forgive(self, seconds: float) -> None:
        """Do not count so many seconds as silence: nobody in this process could run."""
        self._asked_at = min(time.monotonic(), self._asked_at + seconds)

    def silent_seconds(self) -> float:
        """Return how long ago its thread last asked."""
        return time.monotonic() - self._asked_at

    def close(self) -> None:
        """Close the pipe; its thread must have ended."""
        for descriptor in (self._reader, self._writer):
            with suppress(OSError):
                os.close(descriptor)
