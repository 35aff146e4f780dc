"""The backlog limit: once too many of a context's events are unsent, new ones are refused, not piled up.

May touch: outbox rows, read only, at most once a second per context; memory.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from threading import Lock

from prometheus_client import Counter

from fissile.contexts import UnknownContextError, registry
from fissile.errors import UnreachableError
from fissile.messages import Directed, Event
from fissile.watch import metrics

from .outbox import outbox_of

# Hours of a busy shop without a broker, and below the size at which PostgreSQL's or SQLite's files become the trouble.
DEFAULT_LIMIT = 1_000_000
# Writes come back once this share of the limit is left unsent: at the limit itself the door would flap.
REOPENS_AT = 0.9
LOOK_SECONDS = 1.0
# Counting up to a large limit takes its time: looks may take this share of a process's time, no more.
SHARE_OF_TIME = 0.02
# A tenth of a full outbox takes longer to send than this; sooner a client would only ask in vain.
RETRY_AFTER_SECONDS = 5

_log = logging.getLogger(__name__)
_refused = Counter(
    "fissile_outbox_refused_events",
    "Events that were not recorded, because too many wait to be sent.",
    ["context"],
    registry=metrics.registry,
)


class OutboxFull(UnreachableError):
    """Too many events wait to be sent; nothing was done. Try again as late as Retry-After says."""

    code = "outbox_full"


class Backlog:
    """The outbox of one context as this process saw it last."""

    def __init__(self, context: str, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.is_full = False
        self._context, self._clock = context, clock
        self._next_look = float("-inf")
        self._looking = Lock()

    @property
    def reopens_below(self) -> int:
        """The number of unsent events below which a full outbox takes events again."""
        return max(1, int(self.limit * REOPENS_AT))

    def look(self) -> None:
        """Look at the rows if it is time to and nobody else does; whoever cannot look goes by what was seen last."""
        if self._clock() < self._next_look or not self._looking.acquire(blocking=False):
            return
        started = self._clock()
        try:
            self._see(self._holds(self.reopens_below if self.is_full else self.limit))
        finally:
            now = self._clock()
            self._next_look = now + max(LOOK_SECONDS, (now - started) / SHARE_OF_TIME)
            self._looking.release()

    def ensure_room(self) -> None:
        """Raise OutboxFull if the outbox was full at the last look."""
        if self.is_full:
            _refused.labels(self._context).inc()
            raise OutboxFull(
                f"{self.limit} or more events of {self._context} wait to be sent; nothing was done. "
                f"Try again in {RETRY_AFTER_SECONDS} s.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )

    def _holds(self, count: int) -> bool:
        # Ends at the count-th entry of the index of unsent rows; an outbox that is nearly empty costs nothing.
        unsent = outbox_of(self._context)._default_manager.using(self._context).filter(sent_at__isnull=True)
        return unsent.order_by()[count - 1 : count].exists()

    def _see(self, is_full: bool) -> None:
        if is_full and not self.is_full:
            _log.warning(
                "%s: %s or more events wait to be sent; writes are refused (outbox_full) until fewer than %s do. "
                "See: manage.py outbox status",
                self._context, self.limit, self.reopens_below,
            )  # fmt: skip
        elif self.is_full and not is_full:
            _log.warning(
                "%s: fewer than %s events wait to be sent; writes are taken again.", self._context, self.reopens_below
            )
        self.is_full = is_full


_limits: dict[str, int] = {}
_backlogs: dict[str, Backlog] = {}


def configure(limits: Mapping[str, int]) -> None:
    """Use these limits, by context, from now on; the others have DEFAULT_LIMIT. What was seen is forgotten."""
    global _limits, _backlogs
    _limits, _backlogs = dict(limits), {}


def backlog_of(context: str) -> Backlog:
    """Return what this process knows of a context's backlog; it may not have looked yet."""
    known = _backlogs.get(context)
    # Two threads may come first; one of their two looks is forgotten.
    return known or _backlogs.setdefault(context, Backlog(context, _limits.get(context, DEFAULT_LIMIT)))


def look(context: str) -> None:
    """Look at a context's backlog, at most once a second; called before its units of work begin."""
    if _publishes(context):
        backlog_of(context).look()


def admit(message: Event | Directed, version: int, context: str) -> None:
    """Raise OutboxFull instead of letting `message` be recorded in a context whose outbox is full."""
    backlog_of(context).ensure_room()


def _publishes(context: str) -> bool:
    try:
        return registry.get(context).tells
    except UnknownContextError:
        return False
