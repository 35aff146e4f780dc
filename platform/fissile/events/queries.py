"""What relay and inbox need for SQL that is made beforehand: what differs between databases, and how it is run.

May touch: one context's connection, inside whatever transaction the caller has.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connections

from fissile.data.clock import now_of

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """`now`: the clock, in a text that has parameters. `among`: is one of a list, which is one parameter.

    So a text does not depend on a list's length, and is parsed once.
    """

    is_sqlite: bool
    now: str
    among: str

    def list_of(self, values: Iterable[Any]) -> Any:
        """Return values as the one parameter that stands for them."""
        return json.dumps([plain(one) for one in values]) if self.is_sqlite else [*values]


def dialect_of(alias: str) -> Dialect:
    """Return what a context's database speaks."""
    vendor = connections[alias].vendor
    is_sqlite = vendor == "sqlite"
    return Dialect(
        is_sqlite=is_sqlite,
        now=now_of(vendor).replace("%", "%%"),
        among="IN (SELECT value FROM json_each(%s))" if is_sqlite else "= ANY(%s)",
    )


def plain(value: Any) -> Any:
    """Return a UUID as SQLite's tables hold it, anything else as it is."""
    return value.hex if isinstance(value, UUID) else value


def uuid_of(value: UUID | str) -> UUID:
    """Return the UUID that a driver gives, SQLite's as text."""
    return value if isinstance(value, UUID) else UUID(value)


def run(alias: str, sql: str, *values: Any) -> Rows:
    """Run one statement; return its rows, if it has any to give."""
    with connections[alias].cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


def written(alias: str, sql: str, *values: Any) -> int:
    """Run one statement; return how many rows it wrote."""
    with connections[alias].cursor() as cursor:
        cursor.execute(sql, values)
        return int(cursor.rowcount)


def run_all(alias: str, *queries: tuple[str, Sequence[Any]]) -> list[Rows]:
    """Run statements, each with its values, one after the other; return the rows of each, if it has any to give.

    On PostgreSQL in one message: each still sees what was committed when it began, and what those
    before it wrote. Not with `server_side_binding`, where a message is one statement.
    """
    connection = connections[alias]
    if connection.vendor != "postgresql" or connection.settings_dict["OPTIONS"].get("server_side_binding"):
        return [run(alias, sql, *values) for sql, values in queries]
    found: list[Rows] = []
    with connection.cursor() as cursor:
        cursor.execute("; ".join(sql for sql, _ in queries), [one for _, values in queries for one in values])
        for _ in queries:
            found.append(cursor.fetchall() if cursor.description else [])
            cursor.nextset()
    return found
