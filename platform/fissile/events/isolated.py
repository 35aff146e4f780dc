"""The child's side of isolation: `python -m fissile.events.isolated CONSUMER AGGREGATE SECONDS START_SECONDS`.

Runs the aggregate's next row under a mark, as a worker would, and ends. May touch: the consumer's alias, through
its inbox. No broker, no relay, no server. An alarm ends it, so that a handler that hangs in C ends, too, and so
does the child of a worker that is gone.
"""

from __future__ import annotations

import os
import signal
import sys

import django

# The mark outlasts the alarm: nobody takes a message on whose run may still end well.
MARGIN_SECONDS = 3.0


class _Bound:
    """Ends this process in time, whatever its handler does: by a signal with its default action."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def lease(self, attempt: int) -> float:
        """Set the alarm for an attempt; return the seconds for which its mark must hold."""
        seconds = self._seconds * attempt
        signal.setitimer(signal.ITIMER_REAL, seconds)
        return seconds + MARGIN_SECONDS


def prepare(start_seconds: float) -> None:
    """Bound the start as well, and be as easy to end as any program, whatever the worker does with its signals."""
    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM, signal.SIGTERM, signal.SIGINT])
    signal.setitimer(signal.ITIMER_REAL, start_seconds)


def run(consumer_name: str, aggregate: str, seconds: float, end_seconds: float) -> int:
    """Run the next row of the aggregate, if it is due; return 0, or EX_TEMPFAIL if the database was lost."""
    # Late: models need a Django that is set up.
    from .inbox.core import Isolated
    from .inbox.shell import InboxShell
    from .receivers import ear

    lost: list[bool] = []
    shell = InboxShell(
        ear(consumer_name), acknowledge=_nothing, disconnect=lambda: lost.append(True), lease=_Bound(seconds).lease
    )
    shell.drive(Isolated(aggregate))
    shell.close()
    # What is left is Python's own end, with whatever threads a handler has left behind.
    signal.setitimer(signal.ITIMER_REAL, end_seconds)
    return os.EX_TEMPFAIL if lost else 0


def _nothing() -> None:
    """Its message was acknowledged when it was stored."""


def main() -> int:
    """Set Django up as the worker has, and run what the arguments name."""
    consumer_name, aggregate, *times = sys.argv[1:]
    seconds, start_seconds = map(float, times)
    prepare(start_seconds)
    django.setup()
    return run(consumer_name, aggregate, seconds, start_seconds)


if __name__ == "__main__":
    raise SystemExit(main())
