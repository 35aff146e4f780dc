"""The database's clock. Application clocks never stand in a predicate (decision 13)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import connections
from django.db.models import DateTimeField, Func

# SQLite below 3.42 has no subsecond unixepoch(); this text form is what Django
# stores and compares, with milliseconds.
SQLITE_NOW = "STRFTIME('%Y-%m-%d %H:%M:%f', 'now')"


class Clock(Func):
    """The database's wall clock at the moment of evaluation, not at the start of the transaction."""

    function = "CLOCK_TIMESTAMP"
    template = "%(function)s()"
    output_field = DateTimeField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        """SQLite's clock, to the millisecond."""
        # Formatted twice: as a template here, and as SQL with parameters by Django.
        return self.as_sql(compiler, connection, template=SQLITE_NOW.replace("%", "%%%%"), **extra)


def now_of(vendor: str) -> str:
    """Return the SQL of Clock, for a text without parameters (with some, percent signs are doubled)."""
    return SQLITE_NOW if vendor == "sqlite" else "CLOCK_TIMESTAMP()"


def moment(value: datetime | str) -> datetime:
    """Return a time of the database, aware, from what its driver gives: SQLite's is text in UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def database_now(alias: str) -> datetime:
    """Return the wall clock of the database behind `alias`, aware, in UTC."""
    connection = connections[alias]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {now_of(connection.vendor)}")
        (value,) = cursor.fetchone()
    return moment(value).astimezone(UTC)
