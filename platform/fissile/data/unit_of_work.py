"""The unit of work: one transaction on one context's database, in which state and events commit together.

May touch: the context's own alias. The outbox belongs to the floor above, which
hangs itself in here when the process starts (`before_begin`, `outbox`, `after_commit`); so does
the inbox, whose transaction a handler's unit of work joins (`joining`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from datetime import datetime
from threading import Lock
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connections, transaction

from fissile.contexts import registry
from fissile.crash_points import reached
from fissile.errors import BrokenContractError, UncertainError, UnreachableError
from fissile.messages import Command, Directed, Event, Reply, Request
from fissile.messages.directed import command_to_send, reply_to_send

from .clock import database_now
from .guard import writing
from .models import AggregateRow

# Called with the alias before a unit of work opens its transaction: a look may read the
# alias, so that no lock waits for it. Nobody is refused here; a unit of work may only read.
before_begin: list[Callable[[str], None]] = []
# Each is called with (message, version, alias), in order: one may refuse the message, one
# inserts it as a version of its aggregate.
outbox: list[Callable[[Event | Directed, int, str], Any]] = []
# Called with the alias after each commit that recorded a message. They may only
# wake somebody: a crash here loses nothing but time (T6).
after_commit: list[Callable[[str], None]] = []

_open: ContextVar[UnitOfWork | None] = ContextVar("fissile_unit_of_work", default=None)
# The context whose open transaction units of work join.
_host: ContextVar[str | None] = ContextVar("fissile_unit_of_work_host", default=None)


class OutsideUnitOfWork(BrokenContractError):
    """An event was recorded after its unit of work ended, or in another context's."""

    code = "outside_unit_of_work"


class UndeclaredCommand(BrokenContractError):
    """A context sent a command that its context.py does not declare: nobody made a way for it."""

    code = "undeclared_command"


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
        self._append(event, row.version)
        row._recording = True
        try:
            row.save(using=self.context, force_insert=row._state.adding, force_update=not row._state.adding)
        finally:
            row._recording = False
        reached("domain.written")

    def send(self, command: Command) -> UUID:
        """Append `command` to the outbox, for the one context that takes it; return its message id.

        It leaves if this unit of work commits. A Request is answered later: the reply comes
        to this context's own handler. Raise UndeclaredCommand, OutsideUnitOfWork.
        """
        self._ensure_open(command.name)
        own = registry.get(self.context)
        where = "requests" if isinstance(command, Request) else "sends"
        if command.name not in getattr(own, where):
            raise UndeclaredCommand(
                f"{self.context} sends {command.name} and does not declare it. Add it to `{where}` in its "
                f"context.py, and {self.context} to `takes` of {command.receiver}."
            )
        message = command_to_send(command)
        self._append(message, 1)
        return message.id

    def reply(self, reply: Reply, *, to: str, request_id: UUID) -> None:
        """Append the reply to a request, for the context that asked. The receiver of the request calls this."""
        self._ensure_open(reply.name)
        self._append(reply_to_send(reply, to=to, request_id=request_id), 1)

    def _append(self, message: Event | Directed, version: int) -> None:
        for append in outbox:
            append(message, version, self.context)
        reached("outbox.written")
        if not self._recorded:
            self._recorded = True
            transaction.on_commit(self._wake, using=self.context, robust=True)

    def _wake(self) -> None:
        reached("unit.after_commit")
        for wake in after_commit:
            wake(self.context)

    def _ensure_ours(self, row: AggregateRow, event: Event) -> None:
        self._ensure_open(event.name)
        if event.context != self.context or row._meta.app_label != self.context:
            raise OutsideUnitOfWork(
                f"{event.name} about {row._meta.label} cannot be recorded in a unit of work of {self.context}; "
                "each context publishes its own events on its own database."
            )
        if event.key != str(row.pk):
            raise OutsideUnitOfWork(f"{event.name} is about {event.aggregate}, not about row {row.pk}.")

    def _ensure_open(self, name: str) -> None:
        if not self._open:
            raise OutsideUnitOfWork(f"{name}: this unit of work of {self.context} has ended.")


@contextmanager
def unit_of_work(context: str) -> Iterator[UnitOfWork]:
    """Open a transaction on the context's database and yield its UnitOfWork.

    Raise OutsideUnitOfWork if one is open already. UnreachableError: the database
    went away before COMMIT, nothing happened. UncertainError: it went away in
    COMMIT, the outcome is unknown (T31). Inside `joining()` it opens a savepoint
    of that transaction instead, and database errors are left to who opened it.
    """
    if (other := _open.get()) is not None:
        raise OutsideUnitOfWork(f"A unit of work of {other.context} is open; {context} must not open another inside.")
    if (host := _host.get()) not in (None, context):
        raise OutsideUnitOfWork(f"A message of {host} is being handled; its effects are {host}'s, not {context}'s.")
    work = UnitOfWork(context)
    token = _open.set(work)
    try:
        with _savepoint(context) if host else _own_transaction(context):
            yield work
    finally:
        work._open = False
        _open.reset(token)


@contextmanager
def joining(context: str) -> Iterator[None]:
    """Let the context's units of work inside the block be part of the transaction that the caller has opened.

    So a use case need not know which door it was called through: from the inbox,
    its rows and events commit with the inbox row, or none of them does. Raise
    OutsideUnitOfWork if no transaction is open.
    """
    if not connections[context].in_atomic_block:
        raise OutsideUnitOfWork(f"No transaction is open on {context}'s database that a unit of work could join.")
    token = _host.set(context)
    try:
        yield
    finally:
        _host.reset(token)


def _savepoint(context: str) -> AbstractContextManager[Any]:
    # No turn is taken: whoever has it may be waiting for SQLite's write lock, which this transaction holds.
    # The savepoint makes a unit of work that was refused leave nothing, even if its handler goes on.
    _look_first(context)
    return transaction.atomic(using=context)


@contextmanager
def _own_transaction(context: str) -> Iterator[None]:
    committing = False
    try:
        _look_first(context)
        with _turn(context), transaction.atomic(using=context, durable=True):
            # Inside of the transaction: what runs on its commit is outside of both again.
            with writing(context):
                yield
            reached("unit.before_commit")
            committing = True
    except (OperationalError, InterfaceError) as lost:
        raise _translated(context, lost, committing) from lost


def _look_first(context: str) -> None:
    for look in before_begin:
        look(context)


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
        is_open_by_hand = not blocks and connection.connection is not None and not connection.autocommit
        if is_open_by_hand or any(not block._from_testcase for block in blocks):
            return str(connection.alias)
    return None
