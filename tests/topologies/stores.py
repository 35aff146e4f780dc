"""The databases of a running shop as seen from outside: every row of every context, and whether all is at rest.

May touch: a read-only connection to each context's database.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from settings.contexts import CONTEXTS
from tests.house import CONSUMERS, PUBLISHING, RunningHouse

# A worker that was just started, on a machine with better things to do, still comes to rest within this.
REST_WITHIN_SECONDS = 90.0
_LOOK_SECONDS = 0.02
_TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
    "postgresql": "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'",
}
Row = dict[str, Any]


class NotAtRest(AssertionError):
    """Events did not arrive in time; the text says whose."""


@dataclass(frozen=True)
class Counts:
    """Where every stream stands: events written and not yet sent by source, events applied by consumer."""

    written: dict[str, int]
    unsent: dict[str, int]
    applied: dict[str, int]

    def behind(self) -> list[str]:
        """Return in words what is not at rest."""
        late = [f"{source} has {count} unsent" for source, count in self.unsent.items() if count]
        for consumer, applied in self.applied.items():
            written = self.written[consumer.split(".", 1)[1]]
            if applied != written:
                late.append(f"{consumer} has applied {applied} of {written}")
        return late


class Stores:
    """A house's databases. Made by `stores_of`."""

    def __init__(self, house: RunningHouse, stack: ExitStack) -> None:
        self._kind = "sqlite" if house.tier == "embedded" else "postgresql"
        self._connections: dict[str, Any] = {
            alias: stack.enter_context(_connected(house, alias)) for alias in CONTEXTS
        }

    def tables(self) -> dict[str, list[Row]]:
        """Return every row of every table that a context owns."""
        found: dict[str, list[Row]] = {}
        for alias in CONTEXTS:
            names = [str(name) for (name,) in self._ask(alias, _TABLES[self._kind])[1]]
            for table in sorted(name for name in names if name.startswith(f"{alias}_")):
                columns, rows = self._ask(alias, f'SELECT * FROM "{table}"')
                found[table] = [dict(zip(columns, row, strict=True)) for row in rows]
        return found

    def wait_for_rest(self) -> None:
        """Return once every event is sent and applied by every consumer of its source. Raise NotAtRest.

        The counts only grow, so two equal looks mean that all of them held at one moment in between.
        """
        deadline, before = time.monotonic() + REST_WITHIN_SECONDS, None
        while (counts := self._counts()).behind() or counts != before:
            if time.monotonic() > deadline:
                raise NotAtRest(f"not within {REST_WITHIN_SECONDS:.0f} s: {'; '.join(counts.behind())}")
            before = counts
            time.sleep(_LOOK_SECONDS)

    def _counts(self) -> Counts:
        unsent = "SELECT count(*) FROM {}_outbox WHERE sent_at IS NULL"
        # Versions of a stream are 1, 2, 3…: the sum of the positions is the number of events applied.
        applied = "SELECT coalesce(sum(applied_version), 0) FROM {}_position WHERE consumer = '{}'"
        return Counts(
            written={name: self._number(name, f"SELECT count(*) FROM {name}_outbox") for name in PUBLISHING},
            unsent={name: self._number(name, unsent.format(name)) for name in PUBLISHING},
            applied={name: self._number(_ear(name), applied.format(_ear(name), name)) for name in CONSUMERS},
        )

    def _number(self, alias: str, sql: str) -> int:
        return int(self._ask(alias, sql)[1][0][0])

    def _ask(self, alias: str, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        cursor = self._connections[alias].execute(sql)
        return [column[0] for column in cursor.description], cursor.fetchall()


def _ear(consumer: str) -> str:
    return consumer.split(".", 1)[0]


@contextmanager
def stores_of(house: RunningHouse) -> Iterator[Stores]:
    """Connect to every context's database of a house."""
    with ExitStack() as stack:
        yield Stores(house, stack)


@contextmanager
def _connected(house: RunningHouse, alias: str) -> Iterator[Any]:
    url = house.database(alias)
    if house.tier == "embedded":
        with closing(sqlite3.connect(f"file:{url['NAME']}?mode=ro", uri=True, timeout=20)) as connection:
            yield connection
        return
    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
    with psycopg.connect(**{name: url[key] for name, key in names.items()}, autocommit=True) as server:
        yield server
