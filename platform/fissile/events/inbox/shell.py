"""Obeys the machine: runs its effects against the database and the handlers, and reports back.

May touch: the consumer's alias, through this thread's Django connection. The broker
is reached through two functions only: acknowledge and disconnect.
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from django.db import connections, transaction

from fissile.crash_points import reached
from fissile.data.guard import writing
from fissile.events.consumers import HANDLED, Consumer
from fissile.events.receivers import DROPPED

from . import core, failures
from .begun import Begun
from .core import ATTEMPTS
from .handling import Handled, handle
from .received import FORKED, UNDECODABLE, ForkedHistory, Message, read_again
from .sorting import Sorted
from .store import MARK_SECONDS, InboxStore

FIRST_RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 30.0
# Spreads the retries of what failed together.
JITTER = 0.25
# How long a pause may go unnoticed in the middle of a long backlog; else each sweep looks.
PAUSE_SECONDS = 1.0

# How loud an outcome is told; the others are nobody's business.
_LEVELS = {HANDLED: logging.INFO, **dict.fromkeys(DROPPED, logging.WARNING)}

_log = logging.getLogger(__name__)


class _Transaction:
    """One transaction that begins and ends in different effects."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._open: ExitStack | None = None

    def begin(self) -> None:
        # Durable: inside another block it would be a savepoint, and an ack would come before the commit.
        block = ExitStack()
        block.enter_context(transaction.atomic(using=self._alias, durable=True))
        block.enter_context(writing(self._alias))
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

    `counts` is kept since the start: handled, unhandled, tombstone, dropped (by reason),
    duplicate, forked, quarantined, retried, parked. `soonest` is when, on the monotonic clock,
    a retry of ours is due; `is_full` says that a sweep found all it may; `is_paused`
    that an operator has paused the consumer: then messages are stored, and none is looked for.
    `handling_since`: when, on that clock, the handler that runs now has begun.
    `isolate` is told of aggregates whose next run must not happen here; without it they run here.
    `lease`: attempt → seconds for which its mark keeps others off.
    `begun` is told what is being handled, and tells what others never came back from.
    """

    def __init__(
        self,
        consumer: Consumer,
        *,
        acknowledge: Callable[[], None],
        disconnect: Callable[[], None],
        isolate: Callable[[str], None] | None = None,
        lease: Callable[[int], float] = lambda attempt: MARK_SECONDS,
        begun: Begun | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.machine = core.Inbox(isolates=isolate is not None)
        self._isolate, self._lease = isolate, lease
        self._begun = begun or Begun(None, consumer.name)
        self.counts: Counter[str] = Counter()
        self.soonest = float("inf")
        self.is_full = False
        self.is_paused = False
        self.handling_since: float | None = None
        self._heeded_at = float("-inf")
        # Of the failure whose verdict is written next.
        self._wait_seconds = 0.0
        self._consumer = consumer
        self._acknowledge, self._disconnect, self._jitter = acknowledge, disconnect, jitter
        self._store = InboxStore(consumer.context, consumer.name)
        self._transaction = _Transaction(consumer.context)
        self._handled: dict[Message, Handled] = {}
        # Of the open transaction; counted in it, and forgotten with it.
        self._duplicates = 0
        self._stop: Callable[[], bool] = lambda: False

    def drive(self, event: core.Event, stop: Callable[[], bool] = lambda: False) -> None:
        """Tell the machine what happened and obey until it rests; never raise an Exception.

        Once `stop()` is true, what is begun is finished and nothing more is looked for.
        """
        self._stop = stop
        if self.is_paused and isinstance(event, core.Delivered):
            # As if it had been out before: stored and acknowledged, run by nobody yet.
            event = core.Delivered(event.messages, redelivered=True)
        try:
            effects = deque(self.machine.step(event))
            while effects:
                if stop() or self.is_paused:
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
            self._came_back()
            return self._trouble(effect, wrong)

    def _trouble(self, effect: core.Effect, wrong: Exception) -> core.Event:
        reason = failures.sentence(wrong)
        self._wait_seconds = failures.wait_seconds(wrong)
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
        self._forget()
        return core.Aborted()

    def _obey(self, effect: core.Effect) -> core.Event | None:
        store = self._store
        match effect:
            case core.Ensure(aggregates):
                store.ensure(aggregates)
            case core.Begin():
                if time.monotonic() - self._heeded_at >= PAUSE_SECONDS:
                    self._heed_pause()
                self._transaction.begin()
            case core.Lock(aggregates, wait):
                return core.Locked(store.lock(aggregates, wait=wait), self._begun.left)
            case core.Handle(message):
                self.handling_since = time.monotonic()
                self._begun.begin(message.id)
                self._handled[message] = self._handle(message)
                self._came_back()
                reached("consumer.handled_uncommitted")
            case core.Apply(applied, waiting):
                outcomes = [(message, self._handled[message].outcome) for message in applied]
                self._note(store.apply(outcomes, waiting))
                if self.machine.doing == "fast":
                    self._count_duplicates(_told_again(self.machine.batch, applied))
            case core.Store(messages):
                self._note(store.store(messages))
            case core.Commit():
                if self._duplicates:
                    self._store.count_duplicates(self._duplicates)
                self._transaction.commit()
                self._duplicates = 0
                self._tell_applied()
                return core.Committed()
            case core.Rollback():
                self._transaction.rollback()
                self._forget()
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
                store.mark(row, seconds=self._lease(row.attempts + 1))
            case core.Isolate(aggregate):
                if self._isolate is not None:
                    self._isolate(aggregate)
            case core.Sleep(aggregate):
                self._count_duplicates(store.sleep(aggregate))
            case core.Park(row, reason):
                store.park(row, reason)
                self.counts["parked"] += 1
                _log.error(
                    "%s: parked %s: %s", self._consumer.name, _named(row.message), reason, extra=_ids(row.message)
                )
            case core.Retry(row, refund, reason):
                delay = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** max(0, row.attempts - 1))
                delay = max(delay, self._wait_seconds)
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
        if aggregates is None:
            self._heed_pause()
        if self._stop() or self.is_paused:
            self.is_full = False
            return core.Found(())
        if aggregates is None and self.soonest <= time.monotonic():
            self.soonest = float("inf")
        found = self._store.look(aggregates)
        if aggregates is None:
            self.is_full = found.is_full
        return core.Found(found.aggregates)

    def _heed_pause(self) -> None:
        if self._heeded_at < 0:
            self._store.register()
        was, self.is_paused = self.is_paused, self._store.is_paused()
        self._heeded_at = time.monotonic()
        if was != self.is_paused:
            said = "paused; messages are stored, not applied" if self.is_paused else "resumed"
            _log.warning("%s: %s", self._consumer.name, said)

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

    def _came_back(self) -> None:
        self.handling_since = None
        self._begun.end()

    def _note(self, found: Sorted) -> None:
        self._count_duplicates(found.duplicates)
        for message in found.forks:
            self.counts["forked"] += 1
            _log.error("%s: %s", self._consumer.name, message.quarantine, extra=_ids(message))
        for message in found.fresh:
            if message.quarantine:
                self.counts["quarantined"] += 1
                _log.error("%s: quarantined %s: %s", self._consumer.name, message.aggregate, message.quarantine)

    def _count_duplicates(self, number: int) -> None:
        self.counts["duplicate"] += number
        self._duplicates += number

    def _forget(self) -> None:
        self._handled.clear()
        self._duplicates = 0

    def _tell_applied(self) -> None:
        # Only now is it true: the line stands outside of the handler's span, with its ids.
        for message, done in self._handled.items():
            self.counts[done.outcome] += 1
            ids = {"correlation_id": done.correlation_id, "trace_id": done.trace_id, "span_id": done.span_id}
            why = f"dropped as {done.outcome}" if done.outcome in DROPPED else "applied"
            _log.log(
                _LEVELS.get(done.outcome, logging.DEBUG), "%s: %s %s", self._consumer.name, why, _named(message),
                extra={**ids, "message_id": str(message.id), "outcome": done.outcome},
            )  # fmt: skip
        self._handled.clear()


def _told_again(batch: Sequence[Message], applied: Sequence[Message]) -> int:
    """Return how many messages of a batch the machine left out, for it applied the same one from the batch."""
    took = set(applied)
    told = [message for message in batch if message in took]
    return len(told) - len(set(told))


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
