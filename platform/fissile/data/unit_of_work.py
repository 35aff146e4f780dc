"""The unit of work: one transaction on one context's database, in which state and events commit together.

May touch: the context's own alias. The outbox belongs to the floor above, which
hangs itself in here when the process starts (`outbox`, `after_commit`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from datetime import datetime
from threading import Lock
from typing import Any

from django.db import InterfaceError, OperationalError, connections, transaction

from fissile.errors import BrokenContractError, UncertainError, UnreachableError
from fissile.messages import Event

from .clock import database_now
from .models import AggregateRow

# Inserts an event as a version of its aggregate: append(event, version, alias).
outbox: list[Callable[[Event, int, str], Any]] = []
# Called with the alias after each commit that recorded an event. They may only
# wake somebody: a crash here loses nothing but time (T6).
after_commit: list[Callable[[str], None]] = []

_open: ContextVar[UnitOfWork | None] = ContextVar("fissile_unit_of_work", default=None)


class OutsideUnitOfWork(BrokenContractError):
    """An event was recorded after its unit of work ended, or in another context's."""

    code = "outside_unit_of_work"


class UnitOfWork:
    """What a use case may do inside its transaction. Made by `unit_of_work()` only."""

    def __init__(self, context: str) -> None:
        self.context = context
        self._open = True
        self._recorded = False
        self._now: datetime | None = None

    @property
    def now(self) -> datetime:
        """The database's clock when first asked in this unit of work; aware, UTC."""
        if self._now is None:
            self._now = database_now(self.context)
        return self._now

    def record(self, row: AggregateRow, event: Event) -> None:
        """Save the aggregate's row and append `event` to the outbox as its next version.

        The outbox row goes first: a trigger on the aggregate's table refuses a
        version that has no event (T7).
        """
        self._ensure_ours(row, event)
        row.version += 1
        for append in outbox:
            append(event, row.version, self.context)
        row._recording = True
        try:
            row.save(using=self.context, force_insert=row._state.adding, force_update=not row._state.adding)
        finally:
            row._recording = False
        if not self._recorded:
            self._recorded = True
            transaction.on_commit(self._wake, using=self.context, robust=True)

    def _wake(self) -> None:
        for wake in after_commit:
            wake(self.context)

    def _ensure_ours(self, row: AggregateRow, event: Event) -> None:
        if not self._open:
            raise OutsideUnitOfWork(f"{event.name}: this unit of work of {self.context} has ended.")
        if event.context != self.context or row._meta.app_label != self.context:
            raise OutsideUnitOfWork(
                f"{event.name} about {row._meta.label} cannot be recorded in a unit of work of {self.context}; "
                "each context publishes its own events on its own database."
            )
        if event.key != str(row.pk):
            raise OutsideUnitOfWork(f"{event.name} is about {event.aggregate}, not about row {row.pk}.")


@contextmanager
def unit_of_work(context: str) -> Iterator[UnitOfWork]:
    """Open a transaction on the context's database and yield its UnitOfWork.

    Raise OutsideUnitOfWork if one is open already. UnreachableError: the database
    went away before COMMIT, nothing happened. UncertainError: it went away in
    COMMIT, the outcome is unknown (T31).
    """
    if (other := _open.get()) is not None:
        raise OutsideUnitOfWork(f"A unit of work of {other.context} is open; {context} must not open another inside.")
    work = UnitOfWork(context)
    token = _open.set(work)
    committing = False
    try:
        with _turn(context), transaction.atomic(using=context, durable=True):
            yield work
            committing = True
    except (OperationalError, InterfaceError) as lost:
        raise _translated(context, lost, committing) from lost
    finally:
        work._open = False
        _open.reset(token)


# SQLite has one writer and lets the others poll, unfairly: eight threads of a web
# process kept one of them waiting for seconds. Here they queue instead.
_turns: defaultdict[str, Lock] = defaultdict(Lock)


def _turn(alias: str) -> AbstractContextManager[Any]:
    return _turns[alias] if connections[alias].vendor == "sqlite" else nullcontext()


def _translated(context: str, lost: Exception, committing: bool) -> Exception:
    connection = connections[context]
    if committing and not _refused_by_database(lost):
        connection.close()
        return UncertainError(
            f"The connection to {context}'s database was lost while committing; the change may have happened. "
            "Retry with the same Idempotency-Key."
        )
    connection.close_if_unusable_or_obsolete()
    return UnreachableError(f"{context}'s database did not take the change; nothing happened. Retry shortly.")


def _refused_by_database(lost: Exception) -> bool:
    # A COMMIT that the server itself answered with an error (deferred constraint,
    # serialization, SQLITE_BUSY) is a certain no; a SQLSTATE of class 08/57 or none is a lost line.
    state = getattr(lost.__cause__, "sqlstate", None)
    if state is None:
        return "locked" in str(lost) or "busy" in str(lost)
    return not str(state).startswith(("08", "57"))


def in_open_transaction() -> str | None:
    """Return an alias with an open transaction, or None; a test case's own wrapping does not count."""
    for connection in connections.all(initialized_only=True):
        blocks: list[Any] = getattr(connection, "atomic_blocks", [])
        if any(not block._from_testcase for block in blocks):
            return str(connection.alias)
    return None
