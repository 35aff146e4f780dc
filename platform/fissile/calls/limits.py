"""A deadline for the statements of one database alias, for as long as a call is served."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, connections

from fissile.errors import UncertainError

# Virtual-machine steps of SQLite between two looks at the clock: well under a millisecond.
_SQLITE_STEPS = 10_000


@contextmanager
def statements_within(alias: str, deadline: float) -> Iterator[None]:
    """Let no statement on `alias` start or run past `deadline` (monotonic seconds).

    The database is told with the first statement, so a call that needs none pays
    nothing. An alias that is not configured here has nothing to limit.
    """
    if alias not in connections.settings:
        yield
        return
    connection = connections[alias]
    limit = _StatementLimit(connection, deadline)
    connection.execute_wrappers.append(limit)
    try:
        yield
    finally:
        # Not Django's execute_wrapper(), which takes away whatever came last: a thread's first
        # statement connects, and the guard of foreign tables comes in after this limit.
        connection.execute_wrappers.remove(limit)
        limit.lift()


class _StatementLimit:
    def __init__(self, connection: Any, deadline: float) -> None:
        self._connection, self._deadline, self._is_set = connection, deadline, False

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise UncertainError(f"The deadline passed while {self._connection.alias} was at work.")
        if not self._is_set:
            self._tell_database(remaining)
            self._is_set = True
        return execute(sql, params, many, context)

    def _tell_database(self, remaining: float) -> None:
        if self._connection.vendor == "postgresql":
            self._execute(f"SET statement_timeout = {max(1, int(remaining * 1000))}")
        elif self._connection.vendor == "sqlite":
            self._connection.connection.set_progress_handler(
                lambda: time.monotonic() > self._deadline, _SQLITE_STEPS
            )

    def lift(self) -> None:
        """Give the connection back as it was."""
        if not self._is_set or self._connection.connection is None:
            return
        if self._connection.vendor == "sqlite":
            self._connection.connection.set_progress_handler(None, 0)
        elif self._connection.vendor == "postgresql":
            try:
                self._execute("RESET statement_timeout")
            except DatabaseError:
                # A broken transaction takes the setting back itself; a broken connection must not be used again.
                if not self._connection.in_atomic_block:
                    self._connection.close()

    def _execute(self, statement: str) -> None:
        # Below Django's cursor: this statement is not the callee's, so no wrapper sees it.
        with self._connection.wrap_database_errors, self._connection.connection.cursor() as cursor:
            cursor.execute(statement)
