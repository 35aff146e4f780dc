"""The local trace store: finished spans of every process of this host in one bounded SQLite file. No Django.

May touch: that file. Losing a span is allowed, disturbing the work is not.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# About 25 MB; hours of a demo, minutes of a load test.
NEWEST_KEPT = 50_000
# Ten processes write every 0.25 s, each for a millisecond or two: who waits longer gives up.
_BUSY_SECONDS = 2.0
# Trimmed once in so many batches, a bounded number of rows each time, to keep writes short.
_TRIM_EVERY_BATCHES = 16
_TRIM_ROWS = 5_000
_COLUMNS = "trace_id, span_id, parent_id, name, kind, service, pid, start_ns, end_ns, error, attributes, links"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS spans (
    id INTEGER PRIMARY KEY AUTOINCREMENT, trace_id TEXT NOT NULL, span_id TEXT NOT NULL, parent_id TEXT NOT NULL,
    name TEXT NOT NULL, kind TEXT NOT NULL, service TEXT NOT NULL, pid INTEGER NOT NULL, start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL, error TEXT NOT NULL, attributes TEXT NOT NULL, links TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS spans_of_trace ON spans (trace_id);
"""


@dataclass(frozen=True, kw_only=True)
class StoredSpan:
    """One finished span. Ids are lower-case hex; times are nanoseconds since the epoch; `error` is '' if none."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    service: str
    pid: int
    start_ns: int
    end_ns: int
    error: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class TraceSummary:
    """One trace in a list, named after its earliest span."""

    trace_id: str
    name: str
    start_ns: int
    end_ns: int
    spans: int
    services: int
    errors: int


class TraceStore:
    """Adds and reads spans; safe between threads, processes and across a fork."""

    def __init__(self, file: Path, *, newest_kept: int = NEWEST_KEPT) -> None:
        self._file = Path(file)
        self._newest_kept = newest_kept
        self._lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._inherited: sqlite3.Connection | None = None
        self._pid = 0
        self._batches = 0

    def add(self, spans: Sequence[StoredSpan]) -> None:
        """Write a batch in one transaction; raise sqlite3.Error or OSError if it cannot."""
        rows = [
            (
                *(one.trace_id, one.span_id, one.parent_id, one.name, one.kind, one.service, one.pid),
                *(one.start_ns, one.end_ns, one.error, json.dumps(one.attributes), json.dumps(one.links)),
            )
            for one in spans
        ]
        with self._lock:
            writer = self._open_for_writing()
            try:
                writer.execute("BEGIN IMMEDIATE")
                # Table and columns are constants of this module.
                marks = ", ".join("?" * 12)
                writer.executemany(f"INSERT INTO spans ({_COLUMNS}) VALUES ({marks})", rows)
                if self._batches % _TRIM_EVERY_BATCHES == 0:
                    self._trim(writer)
                self._batches += 1
                writer.execute("COMMIT")
            except sqlite3.Error:
                self._forget_writer()
                raise

    def traces(self, limit: int = 20) -> list[TraceSummary]:
        """Return the newest traces, newest first, out of the newest 5,000 spans."""
        return [
            TraceSummary(**dict(row))
            for row in self._read(
                """
                WITH recent AS (SELECT trace_id, max(id) AS newest
                                FROM (SELECT id, trace_id FROM spans ORDER BY id DESC LIMIT 5000)
                                GROUP BY trace_id)
                SELECT trace_id, min(start_ns) AS start_ns, max(end_ns) AS end_ns, count(*) AS spans,
                       count(DISTINCT service) AS services, sum(error != '') AS errors,
                       (SELECT name FROM spans first WHERE first.trace_id = spans.trace_id
                        ORDER BY start_ns, id LIMIT 1) AS name
                FROM spans JOIN recent USING (trace_id)
                GROUP BY trace_id ORDER BY min(start_ns) DESC LIMIT ?
                """,
                (limit,),
            )
        ]

    def trace(self, trace_id: str) -> list[StoredSpan]:
        """Return the spans of one trace by start; empty if it is unknown (or trimmed)."""
        query = f"SELECT {_COLUMNS} FROM spans WHERE trace_id = ? ORDER BY start_ns, id"
        return [
            StoredSpan(
                **{
                    **dict(row),
                    "attributes": json.loads(row["attributes"]),
                    "links": json.loads(row["links"]),
                }
            )
            for row in self._read(query, (trace_id,))
        ]

    def starting_with(self, prefix: str) -> list[str]:
        """Return up to 5 trace ids that begin with `prefix` (lower-case hex)."""
        query = "SELECT DISTINCT trace_id FROM spans WHERE trace_id >= ? AND trace_id < ? LIMIT 5"
        return [row["trace_id"] for row in self._read(query, (prefix, f"{prefix}g"))]

    def close(self) -> None:
        """Close the writing connection; a later add opens it again."""
        with self._lock:
            self._forget_writer()

    def __del__(self) -> None:
        """A store that nobody holds any more closes its file; Python 3.13 warns of what is left open."""
        try:  # noqa: SIM105 - `suppress` itself may be gone by then
            self._forget_writer()
        except Exception:  # noqa: BLE001, S110 - at the interpreter's end modules are gone already; nothing is lost
            pass

    def _open_for_writing(self) -> sqlite3.Connection:
        if self._pid != os.getpid():
            # A connection must not be used, nor closed, on the far side of a fork.
            # Kept, because the last reference gone would close it.
            self._inherited, self._writer, self._pid = self._writer, None, os.getpid()
        if self._writer is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            writer = sqlite3.connect(self._file, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            # Traces may be lost with the machine: no fsync is worth their price.
            try:
                writer.executescript(
                    f"PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA journal_size_limit=4194304; {_SCHEMA}"
                )
            except sqlite3.Error:
                writer.close()
                raise
            self._writer = writer
        return self._writer

    def _trim(self, writer: sqlite3.Connection) -> None:
        writer.execute(
            "DELETE FROM spans WHERE id IN (SELECT id FROM spans WHERE id <= (SELECT max(id) FROM spans) - ?"
            " ORDER BY id LIMIT ?)",
            (self._newest_kept, _TRIM_ROWS),
        )

    def _forget_writer(self) -> None:
        if self._writer is not None and self._pid == os.getpid():
            self._writer.close()
        self._writer = None

    def _read(self, query: str, parameters: Iterable[Any]) -> list[sqlite3.Row]:
        if not self._file.exists():
            return []
        with closing(sqlite3.connect(self._file, timeout=_BUSY_SECONDS, isolation_level=None)) as reader:
            reader.row_factory = sqlite3.Row
            try:
                return reader.execute(query, tuple(parameters)).fetchall()
            except sqlite3.OperationalError as wrong:
                if "no such table" in str(wrong):
                    return []
                raise
