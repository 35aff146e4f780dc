"""The threads that move events in one process: a relay per outbox, a consumer per stream.

May touch: threads and their stop pipes, how often Python changes threads; the loops open their own connections. The
Celery worker and `runserver` host the same threads.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from django.conf import settings

from fissile.contexts import registry

from . import bus
from .inbox import ConsumeLoop, Isolation
from .outbox import publishing_contexts
from .relay import RelayLoop
from .relief import Relieved
from .stopping import Stopping
from .threads import Hosted, Target

_log = logging.getLogger(__name__)

# A batch has 4 s for its confirms and a handler's transaction 15 s for a statement;
# what is in hand after that is given up: nothing is lost, some of it is repeated.
GRACE_SECONDS = 8.0
# How long a thread back from a server waits for one that computes, such as the one that writes traces.
# Python's own 5 ms are as long as a commit; the relay sends a sixth more with this.
_TURN_SECONDS = 0.0005
_FIRST_RETRY_SECONDS = 0.2
_LONGEST_RETRY_SECONDS = 2.0


def take_short_turns() -> None:
    """Have this process's threads give way to each other often: all of them mostly wait."""
    sys.setswitchinterval(_TURN_SECONDS)


class Crew:
    """Hosted threads that start and stop together; the shape of a Celery worker step.

    `close` is called at the end of a stop with the seconds that are left of it.
    """

    def __init__(
        self, members: Sequence[Hosted | Relieved], close: Callable[[float], None] = lambda seconds: None
    ) -> None:
        self.members, self._close = members, close

    def start(self) -> None:
        """Start every thread."""
        take_short_turns()
        for member in self.members:
            member.start()

    def ask(self) -> None:
        """Ask every thread to stop. Safe in a signal handler."""
        for member in self.members:
            member.ask()

    def look(self) -> None:
        """Relieve threads that a handler keeps. To be called about once a second."""
        for member in self.members:
            member.look()

    def stop(self) -> None:
        """Ask, then wait for the work in hand, at most GRACE_SECONDS for all."""
        self.ask()
        ends = time.monotonic() + GRACE_SECONDS
        for member in self.members:
            if not member.join(max(0.0, ends - time.monotonic())):
                _log.warning("Thread %s did not stop in time and is abandoned.", member.name)
        self._close(max(0.0, ends - time.monotonic()))

    terminate = stop


def broker_of(context: str) -> str:
    """Return the broker's address for a context of this process, with the context's own account."""
    return str(settings.FISSILE["broker_urls"][context])


def relay_loops(process_name: str, *, stands_by: bool = False) -> list[RelayLoop]:
    """Return a relay for every outbox of this process, not running yet; one that `stands_by` yields to any other."""
    return [RelayLoop(name, broker_of(name), name=process_name, stands_by=stands_by) for name in publishing_contexts()]


def relay_crew(loops: list[RelayLoop], on_death: Callable[[str], None]) -> Crew:
    """Return a thread for each relay."""
    return Crew([Hosted(f"relay {loop.context}", _after_declaring(loop.run), on_death) for loop in loops])


def consume_crew(on_death: Callable[[str], None]) -> Crew:
    """Return a thread for every consumer and every receiver of this process."""
    isolation = Isolation()
    members = [
        Relieved(f"consume {name}", _loop_of(context.name, name, isolation), on_death)
        for context in registry.installed()
        for name in context.ears
    ]
    return Crew(members, isolation.close)


def _loop_of(context: str, consumer: str, isolation: Isolation) -> Callable[[], ConsumeLoop]:
    state_dir = Path(settings.FISSILE["state_dir"])
    return lambda: ConsumeLoop(context, consumer, consumer, broker_of(context), isolation, state_dir)


def _after_declaring(target: Target) -> Target:
    """Declare this process's exchanges and queues before a relay publishes, for as long as that takes."""

    def run(stopping: Stopping) -> None:
        pause = _FIRST_RETRY_SECONDS
        while not stopping.is_set():
            try:
                declare_own_topology()
                break
            except bus.SourceMissing as missing:
                # That consumer's own loop waits for it; a relay does not wait for a neighbour.
                _log.info("Relaying without all queues of this process: %s.", missing)
                break
            except broker_errors() as lost:
                _log.warning("The broker cannot be reached; trying again in %.1f s: %s", pause, lost)
                stopping.wait(pause)
                pause = min(_LONGEST_RETRY_SECONDS, pause * 2)
        target(stopping)

    return run


def broker_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that mean that a broker of this process was not to be had."""
    urls = (broker_of(context.name) for context in registry.installed())
    return tuple({error for url in urls for error in bus.connection_errors(url)})


def declare_own_topology() -> bus.Topology:
    """Declare what the installed contexts publish to and consume from, each with its own account; return it.

    Raise bus.SourceMissing, once all else is declared, when a neighbour's exchange is not there yet.
    """
    own = {context.name: bus.topology_of([context]) for context in registry.installed()}
    for name, topology in own.items():
        bus.declare(broker_of(name), topology.exchanges, ())
    missing = [sentence for name, topology in own.items() if (sentence := _declare_queues(name, topology))]
    if missing:
        raise bus.SourceMissing("; ".join(missing))
    return bus.topology_of(registry.installed())


def _declare_queues(context: str, topology: bus.Topology) -> str:
    try:
        bus.declare(broker_of(context), (), topology.queues)
    except bus.SourceMissing as missing:
        return f"{context}: {missing}"
    return ""
