"""The Celery worker's own steps: relays, consumers, and a wake-up for an idle hub.

May touch: the worker's blueprint. The steps own their threads and connections, so
a broken Celery connection restarts Celery's consumer and nothing here.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar

from celery import Celery, bootsteps, signals
from celery.worker import state

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
# A look that comes so much too late: the process was stopped, or its machine asleep, and all threads with it.
_ASLEEP_SECONDS = 5.0
# sysexits.h EX_SOFTWARE: the supervisor starts the worker again.
_EXIT_CODE = 70


def add_steps(app: Celery) -> None:
    """Add the steps to every worker of `app`, and keep Celery's hands off logging."""
    app.steps["worker"].update({WakeStep, ConsumeStep, RelayStep})
    # Connecting anything at all stops Celery from configuring the root logger.
    signals.setup_logging.connect(_keep_logging, weak=False)


def _keep_logging(**_: Any) -> None:
    """Logging was set up by fissile.apps."""


def end_worker(name: str) -> None:
    """Stop this worker, all threads included, and exit with an error: a part of it is gone."""
    _log.critical("Thread %s is gone or hangs; this worker ends, so that its supervisor starts another.", name)
    state.should_stop = _EXIT_CODE
    WakeStep.wake()


class WakeStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Wakes Celery's loop on SIGTERM, which it would otherwise notice after up to 10 s."""

    requires = ("celery.worker.components:Pool",)
    _pipe: ClassVar[tuple[int, int] | None] = None

    def create(self, worker: Any) -> None:
        """Make the pipe; the signal is sent inside the signal handler, so: no locks, no logging."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        type(self)._pipe = (reader, writer)
        signals.worker_shutting_down.connect(self._on_signal, weak=False)

    def register_with_event_loop(self, worker: Any, hub: Any) -> None:
        """Listen to the pipe in Celery's own loop (real tier)."""
        if self._pipe is not None:
            hub.add_reader(self._pipe[0], self._drain)

    def _drain(self) -> None:
        if self._pipe is not None:
            with suppress(BlockingIOError):
                os.read(self._pipe[0], 99)

    def _on_signal(self, **_: Any) -> None:
        self.wake()

    @classmethod
    def wake(cls) -> None:
        """Make Celery's loop look at its flags now, on either tier."""
        from .bus import sqlite_transport

        sqlite_transport.hurry()
        if cls._pipe is not None:
            with suppress(BlockingIOError):
                os.write(cls._pipe[1], b"x")


class _CrewStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Hosts a crew. Requires the pool: started after its first fork, stopped before it."""

    requires: tuple[Any, ...] = ("celery.worker.components:Pool",)

    def create(self, worker: Any) -> Any:
        """Build the crew and connect it to SIGTERM."""
        crew = self.crew()

        def ask(**_: Any) -> None:
            crew.ask()

        signals.worker_shutting_down.connect(ask, weak=False)
        for member in crew.members:
            _watch(member)
        return crew

    def crew(self) -> Any:
        """Return the threads of this step."""
        raise NotImplementedError


class ConsumeStep(_CrewStep):
    """A thread for each consumer of the installed contexts."""

    def crew(self) -> Any:
        """Return the consumers."""
        # Imported late: models need a Django that is set up.
        from .hosting import consume_crew

        return consume_crew(end_worker)


class RelayStep(_CrewStep):
    """A thread for each outbox of the installed contexts."""

    requires = (*_CrewStep.requires, ConsumeStep)

    def crew(self) -> Any:
        """Return the relays."""
        from django.conf import settings

        from .hosting import relay_crew, relay_loops

        return relay_crew(relay_loops(settings.FISSILE["process_name"]), end_worker)


_watched: list[Any] = []
_watcher: threading.Thread | None = None


def _watch(member: Any) -> None:
    """Have `member` relieved if a handler keeps it, and end the worker if it hangs.

    Alive and consuming nothing is worse than gone (T24).
    """
    global _watcher
    _watched.append(member)
    if _watcher is None:
        _watcher = threading.Thread(target=_look_after_members, name="worker-watch", daemon=True)
        _watcher.start()


def _look_after_members() -> None:
    pause, looked_at = threading.Event(), time.monotonic()
    while not pause.wait(_LOOK_SECONDS):
        before, looked_at = looked_at, time.monotonic()
        if not look_after(_watched, looked_at - before - _LOOK_SECONDS):
            return


def look_after(members: Sequence[Any], late_seconds: float) -> bool:
    """Relieve members that need it; return False once the worker had to be ended, for one of them hangs.

    `late_seconds`: by how much this look comes too late. Who was asleep with it has not hung meanwhile.
    """
    for member in members:
        if late_seconds > _ASLEEP_SECONDS:
            member.forgive(late_seconds)
        try:
            member.look()
        except Exception:  # noqa: BLE001 - whatever it was, the worker must not go on without knowing
            _log.exception("Thread %s could not be relieved.", member.name)
            end_worker(member.name)
            return False
        if member.is_hung():
            end_worker(member.name)
            return False
    return True
