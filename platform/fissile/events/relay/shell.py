"""The relay's shell: obeys the machine, one context, one thread, connections of its own.

May touch: the context's outbox through the store, the broker through the bus. It
outlives both: any error ends the session, and a new one begins after a pause.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

import msgspec
from django.db import Error as DatabaseError
from opentelemetry.trace import SpanKind

from fissile.contexts import directed_exchange, registry
from fissile.crash_points import reached
from fissile.events import bus, wakeup
from fissile.events.models import LANES
from fissile.events.stopping import Stopping
from fissile.messages import Envelope, encode_envelope
from fissile.messages.envelope import TENANT
from fissile.watch.leaves import Leaf

from . import core
from .sharing import lost_lanes
from .statements import DueRow
from .store import LEASE_SECONDS, Claimed, OutboxStore

_log = logging.getLogger(__name__)

# For writing a batch, and again for waiting: both come between two claims, and what a claim
# leaves of a lease is twice as long. So a batch that ends at its deadline is marked while the lease holds.
PUBLISH_DEADLINE_SECONDS = LEASE_SECONDS * 0.4
# Behind every wake-up; part of correctness, since wake-ups may be lost.
SWEEP_SECONDS = 1.0
# A routing key is a short string (AMQP 0-9-1, 4.2.5.3); the embedded bus keeps to it.
_LONGEST_TYPE_BYTES = 255
_FIRST_RETRY_SECONDS = 0.1
_LONGEST_RETRY_SECONDS = 2.0


class RelayLoop:
    """The relay of one context; `run` is the target of a thread and ends only when asked to."""

    def __init__(self, context: str, broker_url: str, *, name: str = "worker", stands_by: bool = False) -> None:
        self.context = context
        self.owner = f"{name}:{os.getpid()}:{uuid4().hex[:6]}"
        self._broker_url, self._stands_by = broker_url, stands_by
        self._held: frozenset[int] = frozenset()
        self._said = ""

    @property
    def lanes(self) -> frozenset[int]:
        """The lanes this relay holds."""
        return self._held

    @property
    def leads(self) -> bool:
        """True while this relay holds a lane."""
        return bool(self._held)

    def run(self, stopping: Stopping) -> None:
        """Relay until asked to stop; finish the batch in hand, then give the lanes back."""
        pause = _FIRST_RETRY_SECONDS
        while not stopping.is_set():
            began = time.monotonic()
            machine = core.Relay(self.owner, self._stands_by)
            session = _Session(self.context, self._broker_url, machine, stopping, self._holds)
            try:
                session.run()
            except DatabaseError as lost:
                self._say(f"lost its database: {lost}")
            except Exception:  # noqa: BLE001 - recorded; an event that waits is better than a relay that ended
                _log.exception("The relay of %s failed and tries again in %.1f s.", self.context, pause)
            finally:
                session.close()
                self._holds(())
            stopping.wait(pause)
            pause = min(_LONGEST_RETRY_SECONDS, pause * 2)
            if time.monotonic() - began > LEASE_SECONDS:
                pause, self._said = _FIRST_RETRY_SECONDS, ""

    def _holds(self, lanes: Iterable[int]) -> None:
        self._held = frozenset(lanes)

    def _say(self, what: str) -> None:
        # Once a cause, not once a try.
        if what != self._said:
            self._said = what
            _log.warning("The relay of %s %s. It tries again until it is back.", self.context, what)


class _Session:
    """One run of the machine, from fresh connections to the first database error or the stop."""

    def __init__(
        self,
        context: str,
        broker_url: str,
        machine: core.Relay,
        stopping: Stopping,
        holds: Callable[[Iterable[int]], None],
    ) -> None:
        self._context, self._broker_url, self._machine = context, broker_url, machine
        self._stopping, self._holds = stopping, holds
        self._others_end = SWEEP_SECONDS
        self._store = OutboxStore(context)
        self._publisher: bus.Publisher | None = None
        # What is in flight, and why it cannot all have left.
        self._batch = _Batch(context)
        self._broken: bus.PublishBroken | None = None
        self._warned = ""

    def run(self) -> None:
        self._store.close()
        self._listener = wakeup.listen(self._context)
        events: deque[core.RelayEvent] = deque([core.Tick()])
        while True:
            while events:
                effects = self._machine.step(events.popleft())
                if effects:
                    self._holds(self._machine.held)
                for effect in effects:
                    events.extend(self._perform(self._last(effect) if self._stopping.is_set() else effect))
            if self._stopping.is_set():
                return
            events.append(self._idle())

    def _last(self, effect: core.Effect) -> core.Effect | None:
        """Return what is left of an effect for one who stops: a batch in flight is settled, none is begun."""
        match effect:
            case core.Settle():
                return replace(effect, then=None)
            case core.Acquire() | core.Claim() | core.Publish():
                return None
        return effect

    def _perform(self, effect: core.Effect | None) -> list[core.RelayEvent]:
        match effect:
            case core.Acquire(lanes):
                return self._acquire(lanes)
            case core.Ask(lanes):
                self._store.ask(self._machine.owner, lanes)
                wakeup.wake(self._context)
            case core.GiveBack(fences):
                self._give_back(fences)
            case core.Claim():
                return [self._claimed(effect, self._store.claim(effect))]
            case core.Publish(rows):
                self._publish(rows)
            case core.Await():
                return self._await()
            case core.Settle(then=claim):
                lost, claimed = self._store.settle(effect)
                settled = core.Settled(self._tell_lost(lost))
                return [settled, self._claimed(claim, claimed)] if claim and claimed else [settled]
            case core.Disconnect():
                self._disconnect()
            case core.Pause(seconds):
                self._stopping.wait(seconds)
                return [core.Tick()]
        return []

    def _claimed(self, asked: core.Claim, found: Claimed) -> core.Claimed:
        rows, lanes = found
        self._tell_lost(lost_lanes(asked.fences, lanes))
        others = [lane.left_seconds for lane in lanes if lane.number not in asked.fences and not lane.is_free]
        self._others_end = min(others, default=SWEEP_SECONDS)
        if rows:
            reached("relay.claimed")
        return core.Claimed(tuple(_pending(row) for row in rows), lanes)

    def _acquire(self, lanes: tuple[int, ...]) -> list[core.RelayEvent]:
        fences = self._store.acquire(self._machine.owner, lanes)
        if not fences:
            return []
        _log.info("The relay of %s holds the lease of %s.", self._context, _spoken(fences))
        return [core.Leased(fences)]

    def _give_back(self, fences: Mapping[int, int]) -> None:
        self._store.release(fences)
        _log.info("The relay of %s gives %s back.", self._context, _spoken(fences))
        wakeup.wake(self._context)

    def _idle(self) -> core.RelayEvent:
        # Another's lease that is not renewed may end before the sweep.
        seconds = max(0.02, min(SWEEP_SECONDS, self._others_end))
        if self._publisher is not None:
            try:
                self._publisher.tick()
            except bus.PublishBroken as broken:
                return core.Lost(str(broken))
        self._listener.wait(seconds, self._stopping)
        return core.Tick()

    def _publish(self, rows: tuple[core.Pending, ...]) -> None:
        self._batch, self._broken = _Batch(self._context, rows), None
        try:
            if self._publisher is None:
                own = registry.get(self._context).exchanges
                self._publisher = bus.open_publisher(self._broker_url, *(own or (self._context,)))
            self._publisher.send(self._batch.dress(), deadline_seconds=PUBLISH_DEADLINE_SECONDS)
        except bus.PublishBroken as broken:
            self._broken = broken

    def _await(self) -> list[core.RelayEvent]:
        batch, self._batch = self._batch, _Batch(self._context)
        verdicts = bus.Verdicts()
        try:
            if self._broken is not None:
                raise self._broken
            if self._publisher is not None:
                verdicts = self._publisher.verdicts(deadline_seconds=PUBLISH_DEADLINE_SECONDS)
        except bus.PublishBroken as wrong:
            self._warn(f"lost the broker: {wrong}")
            verdicts, self._broken = wrong.verdicts, wrong
        if verdicts.returned:
            unheard = ", ".join(sorted({one.exchange for one in batch.messages if one.id in verdicts.returned}))
            self._warn(f"found no consumer bound to exchange {unheard}; start the worker of one")
        elif verdicts.confirmed and self._broken is None:
            self._warned = ""
        if verdicts.confirmed:
            reached("relay.confirmed_unmarked")
        broken, self._broken = self._broken, None
        events = batch.judge(verdicts)
        if broken is not None and len(events) == len(batch.rows):
            # Nothing of this batch is lost, and the next one is not.
            self._disconnect()
        elif broken is not None:
            events.append(core.Lost(str(broken), broken.blames_message))
        return events

    def _warn(self, what: str) -> None:
        # Said once a cause, not once a try.
        if what != self._warned:
            self._warned = what
            _log.warning("The relay of %s %s. Its events wait in the outbox.", self._context, what)

    def _tell_lost(self, lanes: Collection[int]) -> frozenset[int]:
        if lanes:
            _log.warning("The relay of %s lost its lease of %s; another one holds it.", self._context, _spoken(lanes))
        return frozenset(lanes)

    def _disconnect(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None

    def close(self) -> None:
        """Give all lanes back and drop both connections; never raises."""
        self._disconnect()
        with suppress(Exception):
            if self._machine.held:
                self._store.release(self._machine.held)
                wakeup.wake(self._context)
        with suppress(Exception):
            self._store.close()


def _pending(row: DueRow) -> core.Pending:
    return core.Pending(id=str(row.id), lane=row.lane, attempts=row.attempts, row=row)


def _spoken(lanes: Collection[int]) -> str:
    if len(lanes) == LANES:
        return f"all {LANES} lanes"
    return f"lane{'' if len(lanes) == 1 else 's'} {', '.join(map(str, sorted(lanes)))}"


class _Batch:
    """Rows on their way: each has a publish span, whose trace context goes into its envelope."""

    def __init__(self, context: str, rows: tuple[core.Pending, ...] = ()) -> None:
        self._context, self.rows = context, rows
        self._spans: dict[str, Leaf] = {}
        self._refused: list[core.RelayEvent] = []
        self.messages: list[bus.Outgoing] = []

    def dress(self) -> Iterator[bus.Outgoing]:
        """Yield every row that can be encoded as a message; `judge` tells of the others."""
        for pending in self.rows:
            try:
                message = self._message(pending.id, pending.row)
            except (msgspec.MsgspecError, UnicodeError, TypeError, ValueError) as wrong:
                self._refused.append(core.Refused(pending.id, f"cannot be encoded: {wrong}"))
            else:
                self.messages.append(message)
                yield message

    def _message(self, message_id: str, row: DueRow) -> bus.Outgoing:
        if len(row.type.encode()) > _LONGEST_TYPE_BYTES:
            raise ValueError(f"an event type has at most {_LONGEST_TYPE_BYTES} bytes")
        headers = row.headers
        span = Leaf(
            f"relay publish {row.type}",
            SpanKind.PRODUCER,
            headers,
            {"message.id": message_id, "aggregate": row.aggregate, "version": row.version},
        )
        self._spans[message_id] = span
        # They go out as they are stored.
        time_: Any = row.recorded_at
        data: Any = msgspec.Raw(row.payload.encode())
        envelope = Envelope(
            id=row.id,
            source=self._context,
            type=row.type,
            subject=row.aggregate,
            aggregateversion=row.version,
            time=time_,
            data=data,
            correlationid=headers.get("correlationid") or message_id,
            causationid=headers.get("causationid"),
            traceparent=span.traceparent or headers.get("traceparent"),
            tracestate=headers.get("tracestate"),
            tenant=headers.get("tenant") or TENANT,
        )
        receiver = headers.get("to")
        exchange = directed_exchange(self._context, receiver) if receiver else self._context
        return bus.Outgoing(id=message_id, routing_key=row.type, body=encode_envelope(envelope), exchange=exchange)

    def judge(self, verdicts: bus.Verdicts) -> list[core.RelayEvent]:
        """Turn the verdicts into events, our own first, and end the spans of messages that left."""
        events = self._refused
        for message in self.messages:
            reason = verdicts.refused.get(message.id, "")
            if message.id in verdicts.confirmed:
                events.append(core.Confirmed(message.id))
            elif reason:
                events.append(core.Refused(message.id, reason))
            elif (reply := verdicts.returned.get(message.id)) and message.exchange != self._context:
                # Not Returned, which holds up all that comes after it: events have other hearers.
                reason = f"no receiver is bound to exchange {message.exchange} ({reply})"
                events.append(core.Refused(message.id, reason))
            elif reply:
                reason = f"no consumer is bound to exchange {self._context} ({reply})"
                events.append(core.Returned(message.id, reason))
                # Not ended, so not kept: it is tried every two seconds until somebody is bound.
                continue
            else:
                reason = "no verdict: the connection was lost"
            self._spans[message.id].end(reason)
        return events
