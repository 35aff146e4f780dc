"""Events inside `runserver`: the worker's threads in the web process, which stand down while a worker leads.

May touch: the hosted threads. The relays here give every lane to a worker's; consumers
run here only while a relay of this process holds a lane, or where the role has no outbox.
"""

from __future__ import annotations

import atexit
import logging

from .hosting import Crew, consume_crew, relay_crew, relay_loops
from .stopping import Stopping
from .threads import Hosted

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.25


class InProcess:
    """Starts with the server, stops with the process: at a reload the lanes are given back at once."""

    def __init__(self, process_name: str) -> None:
        self._relays = relay_loops(f"{process_name} (in-process)", stands_by=True)
        self._relaying = relay_crew(self._relays, _report_death)
        self._consuming: Crew | None = None
        self._lead = Hosted("in-process events", self._follow_the_lease, _report_death)

    def start(self) -> None:
        """Start the threads; the process's exit stops them."""
        self._relaying.start()
        self._lead.start()
        atexit.register(self.stop)

    def stop(self) -> None:
        """Let the work in hand finish and give the lanes back."""
        self._lead.ask()
        self._lead.join(_LOOK_SECONDS * 4)
        self._relaying.stop()
        if self._consuming is not None:
            self._consuming.stop()

    def _follow_the_lease(self, stopping: Stopping) -> None:
        while not stopping.wait(_LOOK_SECONDS):
            leads = not self._relays or any(relay.leads for relay in self._relays)
            if leads and self._consuming is None:
                self._consuming = consume_crew(_report_death)
                self._consuming.start()
            elif not leads and self._consuming is not None:
                _log.info("A worker leads; the consumers in this process stand down.")
                self._consuming.stop()
                self._consuming = None
            elif self._consuming is not None:
                self._consuming.look()


def _report_death(name: str) -> None:
    _log.critical("Thread %s is gone; events wait until runserver is started again, or a worker is.", name)
