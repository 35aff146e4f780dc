"""The threads that move events in one process: a relay per outbox, a consumer per stream.

May touch: threads and their stop pipes; the loops open their own connections. The
Celery worker and `runserver` host the same threads.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import connections

from fissile.contexts import registry

from . import bus
from .inbox import ConsumeLoop
from .outbox import publishing_contexts
from .relay import RelayLoop
from .stopping import Stopping

_log = logging.getLogger(__name__)

# A batch has 4 s for its confirms and a handler's transaction 15 s for a statement;
# what is in hand after that is given up: nothing is lost, some of it is repeated.
GRACE_SECONDS = 8.0
# A loop looks at its stop flag many times a second; SQLite may keep it waiting
# for 20 s. One that has not looked for this long hangs (T24).
HUNG_SECONDS = 90.0
_FIRST_RETRY_SECONDS = 0.2
_LONGEST_RETRY_SECONDS = 2.0

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
        """Wait for the end of the thread; return whether it came."""
        if self._thread is not None:
            self._thread.join(seconds)
        return not self.is_alive()

    def is_alive(self) -> bool:
        """True while the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def is_hung(self) -> bool:
        """True if the thread runs, but has shown no sign of life for HUNG_SECONDS."""
        return self.is_alive() and self._stopping.silent_seconds() > HUNG_SECONDS

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


class Crew:
    """Hosted threads that start and stop together; the shape of a Celery worker step."""

    def __init__(self, members: list[Hosted]) -> None:
        self.members = members

    def start(self) -> None:
        """Start every thread."""
        for member in self.members:
            member.start()

    def ask(self) -> None:
        """Ask every thread to stop. Safe in a signal handler."""
        for member in self.members:
            member.ask()

    def stop(self) -> None:
        """Ask, then wait for the work in hand, at most GRACE_SECONDS for all."""
        self.ask()
        ends = time.monotonic() + GRACE_SECONDS
        for member in self.members:
            if not member.join(max(0.0, ends - time.monotonic())):
                _log.warning("Thread %s did not stop within %g s and is abandoned.", member.name, GRACE_SECONDS)

    terminate = stop


def relay_loops(process_name: str) -> list[RelayLoop]:
    """Return a relay for every outbox of this process, not running yet."""
    return [RelayLoop(name, settings.FISSILE["broker_url"], name=process_name) for name in publishing_contexts()]


def relay_crew(loops: list[RelayLoop], on_death: Callable[[str], None]) -> Crew:
    """Return a thread for each relay."""
    return Crew([Hosted(f"relay {loop.context}", _after_declaring(loop.run), on_death) for loop in loops])


def consume_crew(on_death: Callable[[str], None]) -> Crew:
    """Return a thread for every consumer of this process."""
    return Crew(
        [
            Hosted(f"consume {name}", _consume(context.name, name), on_death)
            for context in registry.installed()
            for name in context.consumers
        ]
    )


def _consume(context: str, consumer: str) -> Target:
    loop = ConsumeLoop(context, consumer, consumer, settings.FISSILE["broker_url"])
    return lambda stopping: loop.run(stopping.is_set)


def _after_declaring(target: Target) -> Target:
    """Declare this process's exchanges and queues before a relay publishes, for as long as that takes."""

    def run(stopping: Stopping) -> None:
        pause = _FIRST_RETRY_SECONDS
        while not stopping.is_set():
            try:
                declare_own_topology()
                break
            except bus.connection_errors(settings.FISSILE["broker_url"]) as lost:
                _log.warning("The broker cannot be reached; trying again in %.1f s: %s", pause, lost)
                stopping.wait(pause)
                pause = min(_LONGEST_RETRY_SECONDS, pause * 2)
        target(stopping)

    return run


def declare_own_topology() -> bus.Topology:
    """Declare what the installed contexts publish to and consume from; return it."""
    topology = bus.topology_of(registry.installed())
    bus.declare(settings.FISSILE["broker_url"], topology.exchanges, topology.queues)
    return topology
