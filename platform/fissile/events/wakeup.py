"""Wake-ups: after a commit the relay is told at once, by NOTIFY or by a touched file.

A wake-up is a courtesy: it never raises, never blocks the caller and may be lost;
the relay's sweep stands behind it. May touch: its own autocommit connection, `<database>.wake`.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import psycopg
from django.db import connections

from .stopping import Stopping

_log = logging.getLogger(__name__)

# In the transaction NOTIFY takes a lock of the whole cluster until the commit is
# durable (T48); one per 2 ms, outside of it, costs writers a few percent. And its own
# commit need not be durable: listeners hear of it once it is written, without an fsync.
_NOTIFY = "SELECT set_config('synchronous_commit', 'off', true), pg_notify(%s, '')"
_GAP_SECONDS = 0.002
_AFTER_ERROR_SECONDS = 0.5
# A connection that nobody needed for this long is given back.
_IDLE_SECONDS = 30.0
# SQLite has no way to wake another process; looking costs one stat().
_LOOK_SECONDS = 0.02


def channel_of(alias: str) -> str:
    """Return the NOTIFY channel of a context."""
    return f"fissile_outbox_{alias}"


def wake(alias: str) -> None:
    """Tell the relay of `alias` that there is something to send. Called after each commit with an event."""
    try:
        if connections[alias].vendor == "sqlite":
            _touch(alias)
        else:
            _pulse.wake(alias)
    except Exception:  # noqa: BLE001 - a committed request must not fail for a courtesy
        _log.debug("wake-up of %s was lost; the sweep stands behind it", alias, exc_info=True)


def close() -> None:
    """Give the waker's connections back now, so that a test database can be dropped."""
    _pulse.close()


class _Pulse:
    """One daemon thread a process, started at the first wake-up; folds many wake-ups into one NOTIFY."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: threads do not survive a fork."""
        self._waiting: set[str] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False

    def wake(self, alias: str) -> None:
        """Ask for one NOTIFY on `alias`."""
        with self._changed:
            self._waiting.add(alias)
            if self._thread is None:
                self._closing = False
                self._thread = threading.Thread(target=self._run, name="outbox-waker", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """End the thread, if it runs; the next wake-up starts another."""
        with self._changed:
            thread, self._closing = self._thread, True
            self._changed.notify()
        if thread is not None:
            thread.join(5)

    def _run(self) -> None:
        try:
            while waiting := self._next():
                for alias in waiting:
                    self._notify(alias)
                time.sleep(_GAP_SECONDS)
        finally:
            connections.close_all()

    def _next(self) -> set[str]:
        with self._changed:
            while not self._waiting and not self._closing:
                if not self._changed.wait(_IDLE_SECONDS):
                    connections.close_all()
            waiting, self._waiting = self._waiting, set()
            if not waiting:
                self._thread = None
            return waiting

    def _notify(self, alias: str) -> None:
        try:
            with connections[alias].cursor() as cursor:
                cursor.execute(_NOTIFY, [channel_of(alias)])
        except Exception:  # noqa: BLE001 - a thread that ended for one lost courtesy would wake nobody again
            _log.debug("wake-up of %s was lost; the sweep stands behind it", alias, exc_info=True)
            with suppress(Exception):
                connections[alias].close()
            time.sleep(_AFTER_ERROR_SECONDS)


_pulse = _Pulse()
os.register_at_fork(after_in_child=_pulse.reset)


def wake_file(alias: str) -> Path | None:
    """Return the file that is touched for a SQLite alias; None for a database in memory."""
    name = str(connections[alias].settings_dict["NAME"])
    return None if name.startswith("file:") or name == ":memory:" else Path(f"{name}.wake")


def _touch(alias: str) -> None:
    path = wake_file(alias)
    if path is None:
        return
    try:
        os.utime(path)
    except FileNotFoundError:
        path.touch()


class Listener(Protocol):
    """Waits for wake-ups of one context, in one thread."""

    def wait(self, seconds: float, stopping: Stopping) -> None:
        """Return when woken, when asked to stop, or after `seconds`."""


def listen(alias: str) -> Listener:
    """Start listening on this thread's connection of `alias`; raise a database error."""
    return (_FileListener if connections[alias].vendor == "sqlite" else _NotifyListener)(alias)


class _FileListener:
    def __init__(self, alias: str) -> None:
        self._path = wake_file(alias)
        self._seen = self._stamp()

    def _stamp(self) -> int:
        try:
            return self._path.stat().st_mtime_ns if self._path else 0
        except FileNotFoundError:
            return 0

    def wait(self, seconds: float, stopping: Stopping) -> None:
        """Look at the file's time stamp every 20 ms."""
        ends = time.monotonic() + seconds
        while (stamp := self._stamp()) == self._seen and (left := ends - time.monotonic()) > 0:
            if stopping.wait(min(_LOOK_SECONDS, left)):
                return
        self._seen = stamp


class _NotifyListener:
    def __init__(self, alias: str) -> None:
        self._connection = connections[alias]
        with self._connection.cursor() as cursor:
            cursor.execute(f'LISTEN "{channel_of(alias)}"')

    def wait(self, seconds: float, stopping: Stopping) -> None:
        """Sleep in select() on the database's socket and the stop pipe."""
        with self._connection.wrap_database_errors:
            raw: psycopg.Connection[Any] = self._connection.connection
            # Notifications that came during another statement are kept by psycopg:
            # they make no socket readable any more.
            if self._drain(raw):
                return
            ready, _, _ = select.select([raw.fileno(), stopping.fileno()], [], [], max(0.0, seconds))
            if raw.fileno() in ready:
                self._drain(raw)

    def _drain(self, raw: psycopg.Connection[Any]) -> bool:
        return bool(list(raw.notifies(timeout=0)))
