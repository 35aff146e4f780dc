"""A thread that runs until it is asked to stop, and whether it hangs.

May touch: that thread, and the database connections that it leaves.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import connections

from .stopping import Stopping

_log = logging.getLogger(__name__)

# A loop looks at its stop flag many times a second; SQLite may keep it waiting
# for 20 s. One that has not looked for this long hangs (T24).
HUNG_SECONDS = 90.0

Target = Callable[[Stopping], None]


class Hosted:
    """A thread that runs until it is asked to stop; if it ends sooner, `on_death` is told its name."""

    def __init__(self, name: str, target: Target, on_death: Callable[[str], None]) -> None:
        self.name = name
        self._target, self._on_death = target, on_death
        self._stopping = Stopping()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread; a second call does nothing (Celery starts steps again after a reconnect)."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
            self._thread.start()

    def ask(self) -> None:
        """Ask the thread to stop. Safe in a signal handler."""
        self._stopping.ask()

    def join(self, seconds: float) -> bool:
        """Wait for the end of the thread, in vain not at all: if it hangs; return whether it came."""
        if self._thread is not None:
            self._thread.join(0.0 if self.is_hung() else seconds)
        return not self.is_alive()

    def is_alive(self) -> bool:
        """True while the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def is_hung(self) -> bool:
        """True if the thread runs, but has shown no sign of life for HUNG_SECONDS."""
        return self.is_alive() and self._stopping.silent_seconds() > HUNG_SECONDS

    def forgive(self, seconds: float) -> None:
        """Do not take so many seconds of silence for a hang: the whole process slept."""
        self._stopping.forgive(seconds)

    def look(self) -> None:
        """Nothing relieves this thread."""

    def _run(self) -> None:
        asked = False
        try:
            self._target(self._stopping)
            asked = self._stopping.is_set()
        except BaseException:
            _log.critical("Thread %s ended with an error.", self.name, exc_info=True)
            raise
        finally:
            connections.close_all()
            if not asked:
                self._on_death(self.name)
