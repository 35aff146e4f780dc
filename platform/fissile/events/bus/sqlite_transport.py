"""A kombu transport over one SQLite file: `sqlitebus:////absolute/path/bus.sqlite3`. The embedded tier's broker.

May touch: its file only. Shared bindings, leased deliveries, real acks: at
least once across the processes of one host. A commit is the confirm. Options:
`visibility_timeout` and `polling_interval`, in seconds.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, virtual

# A delivery whose owner lives is given to another only after this long. The death
# of a process is noticed within a second, so this covers hung ones alone.
VISIBILITY_TIMEOUT_SECONDS = 300.0
POLLING_INTERVAL_SECONDS = 0.02
_REAP_EVERY_SECONDS = 1.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS binding(
  exchange TEXT, routing_key TEXT, pattern TEXT, queue TEXT,
  PRIMARY KEY(exchange, routing_key, pattern, queue)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS queue(name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message(
  id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, payload TEXT NOT NULL,
  leased_until REAL NOT NULL DEFAULT 0, owner TEXT NOT NULL DEFAULT '', deliveries INT NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS message_next ON message(queue, id);
CREATE INDEX IF NOT EXISTS message_owner ON message(owner) WHERE owner <> '';
"""
_NEXT = "SELECT id FROM message WHERE queue=? AND leased_until<=? ORDER BY id LIMIT 1"


# Set for good when the process is told to stop: Celery drains for two seconds
# between two looks at its flags, and once more after it has decided to stop.
_hurried = False


def hurry() -> None:
    """Make idle drains of this process return at once. Safe in a signal handler."""
    global _hurried
    _hurried = True


def _started(pid: int) -> str:
    """Return when a process started, since a pid can be reused; '' if it is gone or cannot be seen."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return stat.rsplit(")", 1)[1].split()[19]


def _is_alive(owner: str) -> bool:
    pid, started, _ = owner.split(":")
    if Path("/proc/self/stat").exists():
        return bool(started) and _started(int(pid)) == started
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


class Channel(virtual.Channel):  # type: ignore[misc]
    """A channel: bindings, queues and messages are rows; one connection per thread and process."""

    # Unacknowledged messages are given back row by row in close(); kombu's own
    # restore would publish them a second time.
    do_restore = False
    supports_fanout = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._local = threading.local()
        self._reaped = 0.0
        self._nonce = secrets.token_hex(4)
        options = self.connection.client.transport_options
        self._visibility = float(options.get("visibility_timeout", VISIBILITY_TIMEOUT_SECONDS))
        # parse_url drops one slash of an absolute path, or none.
        self._path = "/" + self.connection.client.virtual_host.lstrip("/")

    @property
    def owner(self) -> str:
        """Who holds a delivery: process, its start, channel."""
        pid = os.getpid()
        return f"{pid}:{_started(pid)}:{self._nonce}"

    @property
    def db(self) -> sqlite3.Connection:
        """This thread's connection in this process; a forked child opens its own."""
        local = self._local
        if getattr(local, "pid", None) != os.getpid():
            Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            local.db = sqlite3.connect(self._path, timeout=20, isolation_level=None)
            local.pid, local.owner = os.getpid(), self.owner
            local.db.execute("PRAGMA journal_mode=WAL")
            local.db.execute("PRAGMA synchronous=NORMAL")
            # Without a limit the write-ahead log keeps its largest size for ever.
            local.db.execute("PRAGMA journal_size_limit=8388608")
            local.db.executescript(_SCHEMA)
        return local.db  # type: ignore[no-any-return]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run a block as one commit, so that a batch is confirmed or absent as a whole."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def is_routed(self, exchange: str, routing_key: str) -> bool:
        """True if a message would reach at least one queue: what `mandatory` asks."""
        return bool(self._lookup(exchange, routing_key))

    # -- what kombu's virtual channel asks for

    def _new_queue(self, queue: str, **_: Any) -> None:
        self.db.execute("INSERT OR IGNORE INTO queue VALUES(?)", (queue,))

    def _has_queue(self, queue: str, **_: Any) -> bool:
        return self.db.execute("SELECT 1 FROM queue WHERE name=?", (queue,)).fetchone() is not None

    def _delete(self, queue: str, *_: Any, **__: Any) -> None:
        with self.transaction():
            self.db.execute("DELETE FROM message WHERE queue=?", (queue,))
            self.db.execute("DELETE FROM binding WHERE queue=?", (queue,))
            self.db.execute("DELETE FROM queue WHERE name=?", (queue,))

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        row = (exchange, routing_key or "", pattern or "", queue)
        self.db.execute("INSERT OR IGNORE INTO binding VALUES(?,?,?,?)", row)

    def get_table(self, exchange: str) -> list[tuple[str, str, str]]:
        """Return the bindings of an exchange as kombu's (routing key, pattern, queue)."""
        rows = self.db.execute("SELECT routing_key, pattern, queue FROM binding WHERE exchange=?", (exchange,))
        return [tuple(row) for row in rows]

    def _put(self, queue: str, message: dict[str, Any], **_: Any) -> None:
        self.db.execute("INSERT INTO message(queue, payload) VALUES(?,?)", (queue, json.dumps(message)))

    def _put_fanout(self, exchange: str, message: dict[str, Any], routing_key: str, **_: Any) -> None:
        for _key, _pattern, queue in self.get_table(exchange):
            self._put(queue, message)

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        now = time.time()
        self._free_the_dead(now)
        # Read first: an idle consumer takes no write lock.
        if self.db.execute(_NEXT, (queue, now)).fetchone() is None:
            raise Empty
        taken = self.db.execute(
            f"UPDATE message SET leased_until=?, owner=?, deliveries=deliveries+1 WHERE id=({_NEXT}) "
            "RETURNING id, payload, deliveries",
            (now + self._visibility, self._local.owner, queue, now),
        ).fetchall()
        if not taken:
            raise Empty
        ((number, payload, deliveries),) = taken
        message: dict[str, Any] = json.loads(payload)
        # The tag names one delivery: an ack that comes after the lease ran out changes nothing.
        message["properties"]["delivery_tag"] = f"{number}.{deliveries}"
        message["properties"].setdefault("delivery_info", {})["redelivered"] = deliveries > 1
        return message

    def _free_the_dead(self, now: float) -> None:
        """Give back what dead processes of this host hold, without waiting for their leases."""
        if now - self._reaped < _REAP_EVERY_SECONDS:
            return
        self._reaped = now
        for (owner,) in self.db.execute("SELECT DISTINCT owner FROM message WHERE owner<>''").fetchall():
            if not _is_alive(owner):
                self.db.execute("UPDATE message SET leased_until=0, owner='' WHERE owner=?", (owner,))

    def _size(self, queue: str) -> int:
        return int(self.db.execute("SELECT count(*) FROM message WHERE queue=?", (queue,)).fetchone()[0])

    def _purge(self, queue: str) -> int:
        return self.db.execute("DELETE FROM message WHERE queue=?", (queue,)).rowcount

    def _drop(self, tag: str) -> None:
        self.db.execute("DELETE FROM message WHERE id=? AND deliveries=?", tuple(map(int, tag.split("."))))

    def _free(self, tag: str) -> None:
        self.db.execute(
            "UPDATE message SET leased_until=0, owner='' WHERE id=? AND deliveries=?",
            tuple(map(int, tag.split("."))),
        )

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Delete the delivered row."""
        self._drop(delivery_tag)
        super().basic_ack(delivery_tag, multiple)

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Give the row back, or delete it."""
        (self._free if requeue else self._drop)(delivery_tag)
        self.qos.ack(delivery_tag)

    def _restore(self, message: Any) -> None:
        self._free(message.delivery_tag)

    _restore_at_beginning = _restore

    def close(self) -> None:
        """Give back what was delivered and not acknowledged, then close."""
        if self.closed:
            return
        try:
            if getattr(self._local, "db", None) is not None and self._local.pid == os.getpid():
                self.qos._flush()
                for tag in list(self.qos._delivered):
                    self._free(tag)
                self._local.db.close()
        finally:
            self._local.__dict__.clear()
            super().close()


class Transport(virtual.Transport):  # type: ignore[misc]
    """Registers with kombu as `sqlitebus`."""

    Channel = Channel
    driver_type = driver_name = "sqlitebus"
    can_parse_url = False
    default_port = None
    connection_errors = (*virtual.Transport.connection_errors, sqlite3.Error, OSError)
    implements = virtual.Transport.implements.extend(
        asynchronous=False, exchange_type=frozenset(["direct", "topic", "fanout"])
    )

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.polling_interval = client.transport_options.get("polling_interval", POLLING_INTERVAL_SECONDS)

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        """Deliver one message, or raise TimeoutError after `timeout` seconds, or at once in a hurry."""
        ends = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                self.cycle.get(self._deliver, timeout=timeout)
                return
            except Empty:
                left = self.polling_interval if ends is None else min(self.polling_interval, ends - time.monotonic())
            if _hurried or left <= 0:
                raise TimeoutError
            time.sleep(left)

    @property
    def default_connection_params(self) -> dict[str, Any]:
        """No host and no port: kombu would warn about missing ones."""
        return {"port": None, "hostname": None}

    def driver_version(self) -> str:
        """The version of SQLite."""
        return sqlite3.sqlite_version


TRANSPORT_ALIASES["sqlitebus"] = f"{__name__}:Transport"
