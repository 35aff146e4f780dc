"""The relay's SQL, one text for each database and context, made once: a text that never changes is also parsed once.

May touch: nothing; the store runs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.db import connections

from fissile.events.models import LANES, LaneRow, OutboxRow
from fissile.events.queries import Dialect, dialect_of, uuid_of

_headers = msgspec.json.Decoder(dict[str, Any])
# What holds its aggregate's later events back: parked, or backing off.
_TROUBLE = "{0}.sent_at IS NULL AND {0}.attempts > 0 AND ({0}.parked_at IS NOT NULL OR {0}.next_at > {1})"


class DueRow(NamedTuple):
    """An outbox row as far as a relay needs it: a tenth of the price of the model's object.

    `payload` and `recorded_at` are as they go into an envelope: JSON, and RFC 3339 in UTC, both as text.
    """

    seq: int
    id: UUID
    aggregate: str
    version: int
    lane: int
    type: str
    payload: str
    headers: dict[str, Any]
    recorded_at: str
    attempts: int


@dataclass(frozen=True, kw_only=True)
class Statements(Dialect):
    """`lanes`: every lane, the clock, and how much is in trouble in some lanes. `hold`: locks lanes, in their order.

    `next_rows` and `next_untroubled`: the first rows of each lane, by seq, but for some. `mark`: rows that
    were sent, in lanes with these fences. `before_mark`: what their transaction begins with.
    """

    lanes: str
    before_mark: tuple[str, ...]
    hold: str
    renew: str
    next_rows: str
    next_untroubled: str
    mark: str


def statements_for(alias: str, rows: type[OutboxRow], lanes: type[LaneRow]) -> Statements:
    """Return the statements on the tables of one context."""
    quote = connections[alias].ops.quote_name
    outbox, lane = quote(rows._meta.db_table), quote(lanes._meta.db_table)
    dialect = dialect_of(alias)
    is_sqlite, now, among = dialect.is_sqlite, dialect.now, dialect.among
    untroubled = f"""
        AND w.seq >= %s AND NOT EXISTS (
            SELECT 1 FROM {outbox} t WHERE t.aggregate = w.aggregate AND t.version <= w.version
               AND {_TROUBLE.format("t", "%s")})"""
    for_update = "" if is_sqlite else "FOR UPDATE"
    next_rows = _next_of_sqlite if is_sqlite else _next_of_postgresql
    ids = "IN (SELECT REPLACE(value, '-', '') FROM json_each(%s))" if is_sqlite else "= ANY(%s::uuid[])"
    return Statements(
        **vars(dialect),
        lanes=f"""
            SELECT l.lane, l.owner, l.fence, l.lease_until, l.paused, l.wanted_by, l.wanted_until,
                   c.now, t.held_back, t.seqs
              FROM {lane} l CROSS JOIN (SELECT {now} AS now) c CROSS JOIN (
                   SELECT COUNT(t.seq) AS held_back, SUM(t.seq) AS seqs FROM {outbox} t
                    WHERE {_TROUBLE.format("t", now)} AND t.lane {among}) t
             ORDER BY l.lane""",
        # A mark that a crash of the database takes with it is a repetition, which is allowed: not worth an fsync.
        before_mark=() if is_sqlite else ("SET LOCAL synchronous_commit TO off",),
        hold=f"SELECT lane, fence, paused FROM {lane} WHERE lane {among} ORDER BY lane {for_update}",
        renew=f"UPDATE {lane} SET lease_until = {_later(now, is_sqlite=is_sqlite)} WHERE lane {among}",
        next_rows=next_rows(outbox, ""),
        next_untroubled=next_rows(outbox, untroubled),
        mark=f"""
            UPDATE {outbox} SET sent_at = {now}, reason = '', next_at = NULL
             WHERE id {ids} AND sent_at IS NULL AND lane IN (
                   SELECT l.lane FROM {lane} l WHERE l.fence * {LANES} + l.lane {among})""",
    )


def place(lane: int, fence: int) -> int:
    """Return a lane under a fence as one number, as `mark` takes them: a list of these is one parameter."""
    return fence * LANES + lane


# Not `lane IN (…) ORDER BY seq`, which reads and sorts the whole backlog: some of each lane, in the
# order of its index, then the first of all of these.
_NAMES = ("seq", "id", "aggregate", "version", "lane", "type", "payload", "headers", "recorded_at", "attempts")


def _columns(of: str, **told: str) -> str:
    return ", ".join(told.get(name, "{}.{}").format(of, name) for name in _NAMES)


# As text, which drivers hand out as it is: nothing is read here only to be written again.
_POSTGRESQL_TEXT = {
    "payload": "{}.{}::text",
    "headers": "{}.{}::text",
    "recorded_at": """to_char({}.{} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""",
}
_SQLITE_TEXT = {"recorded_at": "REPLACE({}.{}, ' ', 'T') || 'Z'"}


def _next_of_postgresql(outbox: str, and_also: str) -> str:
    # A range of pairs, not `lane = …`: from that PostgreSQL would know that the order of seq alone
    # will do, take the primary key's, and read every row that was ever sent. And not a range of
    # lanes, which it takes for so few rows that it sorts them.
    return f"""
        SELECT {_columns("n", **_POSTGRESQL_TEXT)} FROM unnest(%s::int[]) AS l (lane) CROSS JOIN LATERAL (
            SELECT {_columns("w")} FROM {outbox} w
             WHERE (w.lane, w.seq) > (l.lane, 0) AND (w.lane, w.seq) < (l.lane + 1, 0)
               AND w.sent_at IS NULL AND w.parked_at IS NULL AND w.seq <> ALL(%s::bigint[]) {and_also}
             ORDER BY w.lane, w.seq LIMIT %s) n
         ORDER BY n.seq LIMIT %s"""


def _next_of_sqlite(outbox: str, and_also: str) -> str:
    # SQLite keeps the order of a CROSS JOIN: lane by lane, then rows by their key.
    return f"""
        SELECT {_columns("n", **_SQLITE_TEXT)} FROM json_each(%s) l CROSS JOIN {outbox} n
         WHERE n.seq IN (
            SELECT w.seq FROM {outbox} w
             WHERE w.lane = l.value AND w.sent_at IS NULL AND w.parked_at IS NULL
               AND w.seq NOT IN (SELECT value FROM json_each(%s)) {and_also}
             ORDER BY w.seq LIMIT %s)
         ORDER BY n.seq LIMIT %s"""


def _later(now: str, *, is_sqlite: bool) -> str:
    if not is_sqlite:
        return f"{now} + make_interval(secs => %s)"
    return f"{now[:-1]}, '+' || %s || ' seconds')"


def due_row(values: tuple[Any, ...]) -> DueRow:
    """Return a row as a relay takes it from what a driver gives."""
    seq, id_, aggregate, version, lane, type_, payload, headers, recorded_at, attempts = values
    return DueRow(
        seq, uuid_of(id_), aggregate, version, lane, type_, payload, _headers.decode(headers), recorded_at, attempts
    )
