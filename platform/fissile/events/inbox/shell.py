"""Obeys the machine: runs its effects against the database and the handlers, and reports back.

May touch: the consumer's alias, through this thread's Django connection. The broker
is reached through two functions only: acknowledge and disconnect.
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.db import connections, transaction

from fissile.events.consumers import Consumer

from . import core, failures
from .core import ATTEMPTS
from .handling import Handled, handle
from .received import FORKED, UNDECODABLE, ForkedHistory, Message, read_again
from .store import SWEEP_LIMIT, InboxStore, Sorted

FIRST_RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 30.0
# Spreads the retries of what failed together.
JITTER = 0.25

_log = logging.getLogger(__name__)


class _Transaction:
    """One transaction that begins and ends in different effects."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._open: transaction.Atomic | None = None

    def begin(self) -> None:
        # Durable: inside another block it would be a savepoint, and an ack would come before the commit.
        block = transaction.atomic(using=self._alias, durable=True)
        block.__enter__()
        self._open = block

    def commit(self) -> None:
        block, self._open = self._open, None
        if block is not None:
            block.__exit__(None, None, None)

    def rollback(self) -> None:
        block, self._open = self._open, None
        if block is not None:
            nothing = RuntimeError("rolled back")
            block.__exit__(RuntimeError, nothing, None)

    def abandon(self) -> None:
        """Roll back what can be, and close the connection: a broken one must not be used again (T23)."""
        with suppress(Exception):
            self.rollback()
        with suppress(Exception):
            connections[self._alias].close()


class InboxShell:
    """Drives one consumer's machine in one thread.

    `counts` is kept since the start: handled, unhandled, tombstone, duplicate,
    forked, quarantined, retried, parked. `soonest` is when, on the monotonic clock,
    a retry of ours is due; `is_full` says that a sweep found all it may.
    """

    def __init__(
        self,
        consumer: Consumer,
        *,
        acknowledge: Callable[[], None],
        disconnect: Callable[[], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.machine = core.Inbox()
        self.counts: Counter[str] = Counter()
        self.soonest = float("inf")
        self.is_full = False
        self._consumer = consumer
        self._acknowledge, self._disconnect, self._jitter = acknowledge, disconnect, jitter
        self._store = InboxStore(consumer.context, consumer.name)
        self._transaction = _Transaction(consumer.context)
        self._handled: dict[Message, Handled] = {}
        self._stop: Callable[[], bool] = lambda: False

    def drive(self, event: core.Event, stop: Callable[[], bool] = lambda: False) -> None:
        """Tell the machine what happened and obey until it rests; never raise an Exception.

        Once `stop()` is true, what is begun is finished and nothing more is looked for.
        """
        self._stop = stop
        try:
            effects = deque(self.machine.step(event))
            while effects:
                if stop():
                    self.machine.rest()
                answer = self._perform(effects.popleft())
                if isinstance(answer, core.Failed | core.Aborted):
                    effects.clear()
                if answer is not None:
                    effects.extend(self.machine.step(answer))
        except BaseException:
            self._transaction.abandon()
            raise

    def close(self) -> None:
        """Undo what is open and give the connection back."""
        self._transaction.abandon()

    def _perform(self, effect: core.Effect) -> core.Event | None:
        try:
            return self._obey(effect)
        except Exception as wrong:  # noqa: BLE001 - the worker's loop records and goes on
            return self._trouble(effect, wrong)

    def _trouble(self, effect: core.Effect, wrong: Exception) -> core.Event:
        reason = failures.sentence(wrong)
        if not failures.is_lost(connections[self._consumer.context], wrong):
            match effect:
                case core.Handle() | core.Apply():
                    return core.Failed(reason, failures.is_transient(wrong))
                case core.Commit() if self.machine.doing in ("fast", "ran"):
                    return core.Failed(reason, failures.is_transient(wrong))
                case core.Store() | core.Ensure() if failures.is_contents_fault(wrong):
                    return core.Failed(reason)
        _log.warning(
            "%s: %s failed at the database: %s. Its messages go back to the broker and are tried again.",
            self._consumer.name, type(effect).__name__.lower(), reason,
        )  # fmt: skip
        self._transaction.abandon()
        self._handled.clear()
        return core.Aborted()

    def _obey(self, effect: core.Effect) -> core.Event | None:
        store = self._store
        match effect:
            case core.Ensure(aggregates):
                store.ensure(aggregates)
            case core.Begin():
                self._transaction.begin()
            case core.Lock(aggregates, wait):
                return core.Locked(store.lock(aggregates, wait=wait))
            case core.Handle(message):
                self._handled[message] = self._handle(message)
            case core.Apply(applied, waiting):
                outcomes = [(message, self._handled[message].outcome) for message in applied]
                self._note(store.apply(outcomes, waiting))
            case core.Store(messages):
                self._note(store.store(messages))
            case core.Commit():
                self._transaction.commit()
                self._tell_applied()
                return core.Committed()
            case core.Rollback():
                self._transaction.rollback()
                self._handled.clear()
            case core.Look(aggregates):
                return self._look(aggregates)
            case core.Ack():
                self._acknowledge()
            case core.Disconnect():
                self._disconnect()
            case _:
                self._settle(effect)
        return None

    def _settle(self, effect: core.Effect) -> None:
        store = self._store
        match effect:
            case core.Mark(row):
                store.mark(row)
            case core.Sleep(aggregate):
                store.sleep(aggregate)
            case core.Park(row, reason):
                store.park(row, reason)
                self.counts["parked"] += 1
                _log.error(
                    "%s: parked %s: %s", self._consumer.name, _named(row.message), reason, extra=_ids(row.message)
                )
            case core.Retry(row, refund, reason):
                delay = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** max(0, row.attempts - 1))
                delay *= 1 + JITTER * self._jitter()
                store.retry(row, refund=refund, reason=reason, delay_seconds=delay)
                self.counts["retried"] += 1
                self.soonest = min(self.soonest, time.monotonic() + delay)
                _log.warning(
                    "%s: %s failed (attempt %s of %s%s), again in %.1f s: %s",
                    self._consumer.name, _named(row.message), row.attempts, ATTEMPTS,
                    ", given back" if refund else "", delay, reason, extra=_ids(row.message),
                )  # fmt: skip

    def _look(self, aggregates: tuple[str, ...] | None) -> core.Found:
        if self._stop():
            return core.Found(())
        if aggregates is None and self.soonest <= time.monotonic():
            self.soonest = float("inf")
        found = self._store.look(aggregates)
        if aggregates is None:
            self.is_full = len(found) >= SWEEP_LIMIT
        return core.Found(found)

    def _handle(self, message: Message) -> Handled:
        # Quarantined rows come here only when an operator replays them.
        if message.type == UNDECODABLE:
            self._note(self._store.store([read_again(message)]))
            return Handled("read at last", "", None, None)
        if message.type == FORKED:
            raise ForkedHistory
        done = handle(self._consumer, message)
        if connections[self._consumer.context].needs_rollback:
            raise transaction.TransactionManagementError(
                f"the handler of {message.type} went on after a database error; let it raise"
            )
        return done

    def _note(self, found: Sorted) -> None:
        self.counts["duplicate"] += found.duplicates
        for message in found.forks:
            self.counts["forked"] += 1
            _log.error("%s: %s", self._consumer.name, message.quarantine, extra=_ids(message))
        for message in found.fresh:
            if message.quarantine:
                self.counts["quarantined"] += 1
                _log.error("%s: quarantined %s: %s", self._consumer.name, message.aggregate, message.quarantine)

    def _tell_applied(self) -> None:
        # Only now is it true: the line stands outside of the handler's span, with its ids.
        for message, done in self._handled.items():
            self.counts[done.outcome] += 1
            ids = {"correlation_id": done.correlation_id, "trace_id": done.trace_id, "span_id": done.span_id}
            _log.log(
                logging.INFO if done.outcome == "handled" else logging.DEBUG,
                "%s: applied %s", self._consumer.name, _named(message),
                extra={**ids, "message_id": str(message.id), "outcome": done.outcome},
            )  # fmt: skip
        self._handled.clear()


def _named(message: Message) -> str:
    return f"{message.type} {message.aggregate}@{message.version}"


def _ids(message: Message) -> dict[str, Any]:
    """Return what a log line needs for the trace to be found."""
    parts = str(message.headers.get("traceparent") or "").split("-")
    return {
        "message_id": str(message.id),
        "correlation_id": message.headers.get("correlationid"),
        "trace_id": parts[1] if len(parts) > 2 else None,
    }
