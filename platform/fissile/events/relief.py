"""A consumer's thread, and the one that relieves it when a handler keeps it: others at the consumer go on.

May touch: threads. A thread of Python cannot be killed: one that was relieved ends when its handler does, or, if it
never does, with its worker.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from .stopping import Stopping
from .threads import Hosted

_log = logging.getLogger(__name__)

# A person notices that nothing moves; what usually takes longer pays with a redelivery of what it held.
SLOW_SECONDS = 3.0
# Of one consumer at once; with so many its last thread waits like them, until its worker ends.
MOST_RELIEVED = 3


class Loop(Protocol):
    """What consumes: see `inbox.ConsumeLoop`."""

    def run(self, stop: Callable[[], bool]) -> None: ...
    def handler_seconds(self) -> float: ...
    def can_be_relieved(self) -> bool: ...
    def cut_off(self) -> None: ...


class Relieved:
    """Hosts a consumer: one loop that receives, and those before it whose handlers have not come back yet."""

    def __init__(self, name: str, loop_of: Callable[[], Loop], on_death: Callable[[str], None]) -> None:
        self.name = name
        self._loop_of, self._on_death = loop_of, on_death
        self._is_asked = False
        self._relieved: list[Hosted] = []
        self._loop, self._hosted = self._next()

    def _next(self) -> tuple[Loop, Hosted]:
        loop = self._loop_of()

        def target(stopping: Stopping) -> None:
            loop.run(stopping.is_set)

        return loop, Hosted(self.name, target, self._on_death)

    def start(self) -> None:
        """Start the thread; a second call does nothing."""
        self._hosted.start()

    def ask(self) -> None:
        """Ask all threads to stop. Safe in a signal handler."""
        self._is_asked = True
        for one in self._everybody():
            one.ask()

    def join(self, seconds: float) -> bool:
        """Wait for the end of all threads, so long for all; return whether it came."""
        ends = time.monotonic() + seconds
        ended = [one.join(max(0.0, ends - time.monotonic())) for one in self._everybody()]
        return all(ended)

    def is_alive(self) -> bool:
        """True while a thread runs."""
        return any(one.is_alive() for one in self._everybody())

    def is_hung(self) -> bool:
        """True if any thread has shown no sign of life for HUNG_SECONDS."""
        return any(one.is_hung() for one in self._everybody())

    def forgive(self, seconds: float) -> None:
        """Do not take so many seconds of silence for a hang: the whole process slept."""
        for one in self._everybody():
            one.forgive(seconds)

    def look(self) -> None:
        """Relieve the thread if its handler keeps it. To be called about once a second, by one thread."""
        self._relieved = [one for one in self._relieved if one.is_alive()]
        seconds = self._loop.handler_seconds()
        if seconds < SLOW_SECONDS or self._is_asked or not self._loop.can_be_relieved():
            return
        if len(self._relieved) >= MOST_RELIEVED:
            return
        _log.warning("Thread %s is kept by a handler for %.1f s; another one takes over.", self.name, seconds)
        loop, hosted = self._loop, self._hosted
        self._relieved.append(hosted)
        self._loop, self._hosted = self._next()
        # It finishes what it has begun, and its connection's end gives the broker back what it has not.
        hosted.ask()
        loop.cut_off()
        self._hosted.start()
        if self._is_asked:
            self._hosted.ask()

    def _everybody(self) -> list[Hosted]:
        return [*self._relieved, self._hosted]
