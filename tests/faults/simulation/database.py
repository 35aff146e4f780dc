"""A database in memory: transactions, row locks that wait or skip, deadlocks, time-outs, killed connections.

Read committed: a statement sees what is committed when it starts, and its own writes.
A lock wait is a `yield`; whoever drives the statement decides who runs meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

Key = tuple[str, Any]
Row = dict[str, Any]
# What a process yields: None, a time to sleep until, or a transaction it waits for.
Step = Generator["Transaction | float | None", None, Any]

# As on the real tier: settings/base.py.
LOCK_SECONDS = 10.0
IDLE_IN_TRANSACTION_SECONDS = 30.0


class Gone(Exception):
    """The connection is lost: killed, timed out, or the server is away."""


class Deadlock(Exception):
    """The database picked this transaction as its victim."""


class LockTimeout(Exception):
    """A statement waited too long for a lock."""


class UniqueViolation(Exception):
    """Another row holds this place."""


class Transaction:
    """What one connection has open. `was_killed`: the next statement finds out."""

    __slots__ = ("is_open", "locks", "owner", "touched_at", "waits_at", "waits_for", "was_killed", "writes")

    def __init__(self, owner: Any, now: float) -> None:
        self.owner, self.touched_at = owner, now
        self.writes: dict[Key, Row | None] = {}
        self.locks: list[Key] = []
        self.is_open, self.was_killed = True, False
        self.waits_for: Transaction | None = None
        self.waits_at: Key | None = None


class Database:
    """Tables by name, rows by key. `on_commit` sees every change before it happens."""

    def __init__(self, on_commit: Callable[[Transaction], None], on_deadlock: Callable[[list[Key]], None]):
        self.now = 0.0
        self.is_up = True
        self.tables: dict[str, dict[Any, Row]] = {}
        self.open: set[Transaction] = set()
        self._locks: dict[Key, Transaction] = {}
        self._on_commit, self._on_deadlock = on_commit, on_deadlock

    def begin(self, owner: Any) -> Transaction:
        """Open a transaction; raise Gone if the server is away."""
        if not self.is_up:
            raise Gone
        tx = Transaction(owner, self.now)
        self.open.add(tx)
        return tx

    def check(self, tx: Transaction) -> None:
        """Raise Gone if the transaction was ended from outside."""
        if tx.was_killed:
            raise Gone
        tx.touched_at = self.now

    def get(self, tx: Transaction | None, table: str, key: Any) -> Row | None:
        """Return a row as `tx` sees it."""
        if tx is not None and (table, key) in tx.writes:
            return tx.writes[table, key]
        return self.tables.setdefault(table, {}).get(key)

    def rows(self, tx: Transaction | None, table: str) -> Iterator[tuple[Any, Row]]:
        """Yield (key, row) of a table as `tx` sees it."""
        found = self.tables.setdefault(table, {})
        if tx is None or not tx.writes:
            return iter(list(found.items()))
        mine = {key: row for (name, key), row in tx.writes.items() if name == table}
        merged = {**found, **mine} if mine else found
        return iter([(key, row) for key, row in merged.items() if row is not None])

    def put(self, tx: Transaction, table: str, key: Any, row: Row | None) -> None:
        """Write a row whose lock `tx` holds."""
        tx.writes[table, key] = row

    def lock(self, tx: Transaction, table: str, key: Any, *, wait: bool = True) -> Step:
        """Take a row's lock; return False if another has it and `wait` is false."""
        place, began = (table, key), self.now
        if tx.was_killed:
            raise Gone
        tx.touched_at = began
        while (holder := self._locks.get(place)) is not None and holder is not tx:
            if not wait:
                return False
            tx.waits_for, tx.waits_at = holder, place
            self._look_for_deadlock(tx)
            yield holder
            tx.waits_for = None
            self.check(tx)
            if self.now - began > LOCK_SECONDS:
                raise LockTimeout
        if holder is None:
            self._locks[place] = tx
            tx.locks.append(place)
        return True

    def _look_for_deadlock(self, tx: Transaction) -> None:
        around, one = [tx], tx.waits_for
        while one is not None and one is not tx and len(around) < 20:
            around.append(one)
            one = one.waits_for
        if one is tx:
            tx.waits_for = None
            self._on_deadlock([one.waits_at for one in around if one.waits_at])
            raise Deadlock

    def commit(self, tx: Transaction) -> None:
        """Make its writes true; raise Gone if it was ended before."""
        self.check(tx)
        self._on_commit(tx)
        for (table, key), row in tx.writes.items():
            if row is None:
                self.tables.setdefault(table, {}).pop(key, None)
            else:
                self.tables.setdefault(table, {})[key] = row
        self._end(tx)

    def rollback(self, tx: Transaction) -> None:
        """Forget its writes."""
        self._end(tx)

    def kill(self, tx: Transaction) -> None:
        """End it from outside: its process finds out at its next statement."""
        if tx.is_open:
            tx.was_killed = True
            self._end(tx)

    def _end(self, tx: Transaction) -> None:
        tx.is_open, tx.waits_for = False, None
        self.open.discard(tx)
        for place in tx.locks:
            del self._locks[place]
        tx.locks.clear()

    def end_idle(self) -> list[Transaction]:
        """Kill transactions in which nothing happened for too long; return them."""
        idle = [
            tx for tx in self.open
            if tx.waits_for is None and self.now - tx.touched_at > IDLE_IN_TRANSACTION_SECONDS
        ]  # fmt: skip
        for tx in idle:
            self.kill(tx)
        return idle
