"""The inbox's SQL, made once for each consumer's database: a text that never changes is also parsed once.

May touch: nothing; the store runs it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections

from fissile.data.clock import SQLITE_NOW
from fissile.events.models import InboxRow, PositionRow
from fissile.events.queries import Dialect, dialect_of, plain

from .received import SKIPPED

_COLUMNS = "consumer, message_id, aggregate, version, type, payload, headers, state, reason, attempts, applied_at, due"


@dataclass(frozen=True, kw_only=True)
class Statements(Dialect):
    """Texts by what they do; the store's methods of the same name say what each means."""

    ensure: str
    lock: str
    lock_free: str
    above: str
    look_at_all: str
    look_among: str
    known: str
    positions: str
    insert: str
    conflict_of_outcomes: str
    advance: tuple[str, ...]


def statements_for(alias: str, inbox_model: type[InboxRow], position_model: type[PositionRow]) -> Statements:
    """Return the statements on the tables of one context."""
    quote = connections[alias].ops.quote_name
    inbox, position = quote(inbox_model._meta.db_table), quote(position_model._meta.db_table)
    dialect = dialect_of(alias)
    now, among = dialect.now, dialect.among
    own = _of_sqlite(inbox, position, now) if dialect.is_sqlite else _of_postgresql(inbox, position, now)
    # The state is a literal: SQLite uses a partial index only if it can see the predicate.
    due = f"""
        FROM {inbox} WHERE consumer = %s AND state = 'waiting' AND due <= {now}
         AND (marked_until IS NULL OR marked_until <= {now})"""
    return Statements(
        **vars(dialect),
        above=_above(inbox, position, now, among),
        # Suspects apart: they stay due until a process of their own has run them, however many others are.
        look_at_all=f"""
            WITH found AS MATERIALIZED (
                SELECT aggregate, MIN(due) AS since, MAX(CASE WHEN marked_until IS NULL THEN 0 ELSE 1 END) AS suspect
                {due} GROUP BY aggregate)
            SELECT aggregate, suspect FROM (
                SELECT * FROM (SELECT * FROM found WHERE suspect = 0 ORDER BY since LIMIT %s) others
                 UNION ALL
                SELECT * FROM (SELECT * FROM found WHERE suspect = 1 ORDER BY since LIMIT %s) suspects) looked
             ORDER BY since""",
        look_among=f"SELECT aggregate {due} AND aggregate {among} GROUP BY aggregate ORDER BY MIN(due)",
        known=f"""
            SELECT aggregate, version, message_id FROM {inbox}
             WHERE consumer = %s AND type <> '{SKIPPED}'
               AND (message_id {among} OR (aggregate {among} AND version {among}))""",
        positions=f"""
            SELECT aggregate, applied_version, last_id FROM {position} WHERE consumer = %s AND aggregate {among}""",
        # Receipt may meet any known row and leaves it alone. An outcome may only meet
        # its own waiting row; a stranger in its place is an error, and the batch is stored.
        conflict_of_outcomes=f"""(consumer, message_id) DO UPDATE SET state = 'applied', reason = excluded.reason,
            applied_at = excluded.applied_at, due = NULL, marked_until = NULL
            WHERE excluded.state = 'applied' AND {inbox}.state = 'waiting'""",
        **own,
    )


def _above(inbox: str, position: str, now: str, among: str) -> str:
    return f"""
        SELECT r.message_id, r.aggregate, r.version, r.type, r.payload, r.headers, r.state, r.attempts,
               r.due <= {now} AND (r.marked_until IS NULL OR r.marked_until <= {now}), r.marked_until IS NOT NULL
          FROM {position} p JOIN {inbox} r ON r.consumer = p.consumer AND r.aggregate = p.aggregate
         WHERE p.consumer = %s AND p.aggregate {among} AND r.state <> 'applied'
           AND r.version > p.applied_version AND r.version <= p.applied_version + %s"""


def _of_postgresql(inbox: str, position: str, now: str) -> dict[str, Any]:
    lock = f"""
        SELECT aggregate, applied_version FROM {position}
         WHERE consumer = %s AND aggregate = ANY(%s) ORDER BY aggregate FOR UPDATE"""
    return {
        # A position at 0 that a crash of the server takes away is made again: no flush is worth its price,
        # unless the transaction is somebody else's.
        "ensure": f"""
            INSERT INTO {position} (consumer, aggregate, applied_version)
            SELECT %s, a.aggregate, 0 FROM unnest(%s::text[]) AS a (aggregate) CROSS JOIN (
                   SELECT set_config('synchronous_commit',
                       CASE WHEN %s THEN 'off' ELSE current_setting('synchronous_commit') END, true)) lazily
             WHERE NOT EXISTS (SELECT 1 FROM {position} p WHERE p.consumer = %s AND p.aggregate = a.aggregate)
             ORDER BY a.aggregate ON CONFLICT DO NOTHING""",
        "lock": lock,
        "lock_free": f"{lock} SKIP LOCKED",
        "insert": f"""
            INSERT INTO {inbox} ({_COLUMNS})
            SELECT %s, n.id, n.aggregate, n.version, n.type, n.payload, n.headers, n.state, n.reason, 0,
                   CASE WHEN n.state = 'applied' THEN {now} END, CASE WHEN n.state = 'waiting' THEN {now} END
              FROM json_to_recordset(%s) AS n (id uuid, aggregate text, version int, type text, payload jsonb,
                                               headers jsonb, state text, reason text)
             ORDER BY n.aggregate, n.version, n.id""",
        "advance": (
            f"""
            WITH head AS (SELECT * FROM unnest(%s::text[], %s::int[], %s::uuid[]) AS h (aggregate, version, id)),
                 moved AS (UPDATE {position} p SET applied_version = h.version, last_id = h.id
                             FROM head h WHERE p.consumer = %s AND p.aggregate = h.aggregate)
            UPDATE {inbox} r SET due = {now} FROM head h
             WHERE r.consumer = %s AND r.aggregate = h.aggregate AND r.version = h.version + 1
               AND r.state = 'waiting' AND r.due IS NULL""",
        ),
    }


def _of_sqlite(inbox: str, position: str, now: str) -> dict[str, Any]:
    lock = f"""
        SELECT aggregate, applied_version FROM {position}
         WHERE consumer = %s AND aggregate IN (SELECT value FROM json_each(%s)) ORDER BY aggregate"""
    return {
        "ensure": f"""
            INSERT OR IGNORE INTO {position} (consumer, aggregate, applied_version)
            SELECT %s, a.value, 0 FROM json_each(%s) a""",
        "lock": lock,
        "lock_free": lock,
        "insert": f"INSERT INTO {inbox} ({_COLUMNS}) VALUES ",
        "advance": (
            f"UPDATE {position} SET applied_version = %s, last_id = %s WHERE consumer = %s AND aggregate = %s",
            f"""UPDATE {inbox} SET due = {now}
                 WHERE consumer = %s AND aggregate = %s AND version = %s AND state = 'waiting' AND due IS NULL""",
        ),
    }


# applied_at and due of a new row, by its state.
_SQLITE_CLOCKS = {
    "applied": f"{SQLITE_NOW}, NULL".replace("%", "%%"),
    "waiting": f"NULL, {SQLITE_NOW}".replace("%", "%%"),
    "parked": "NULL, NULL",
}


def insertion(made: Statements, consumer: str, rows: Sequence[Mapping[str, Any]]) -> tuple[str, list[Any]]:
    """Return text and parameters that insert rows in the order given, without what to do about conflicts."""
    if not made.is_sqlite:
        return made.insert, [consumer, json.dumps(rows, default=str)]
    values: list[Any] = []
    for row in rows:
        fields = ("aggregate", "version", "type", "payload", "headers", "state", "reason")
        values += [consumer, *(_stored(row[name]) for name in ("id", *fields))]
    marks = (f"({', '.join(['%s'] * 9)}, 0, {_SQLITE_CLOCKS[row['state']]})" for row in rows)
    return made.insert + ", ".join(marks), values


def _stored(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict) else plain(value)
