"""The relay's shell: obeys the machine, one context, one thread, connections of its own.

May touch: the context's outbox through the store, the broker through the bus. It
outlives both: any error ends the session, and a new one begins after a pause.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from contextlib import suppress
from datetime import UTC
from typing import Any
from uuid import uuid4

import msgspec
from django.db import Error as DatabaseError
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from fissile.events import bus, wakeup
from fissile.events.models import OutboxRow
from fissile.events.stopping import Stopping
from fissile.messages import Envelope, encode_envelope
from fissile.messages.envelope import TENANT
from fissile.watch import tracing

from . import core
from .store import LEASE_SECONDS, OutboxStore

_log = logging.getLogger(__name__)
_trace = TraceContextTextMapPropagator()

# Under half the lease: a batch that ends at its deadline is marked while the lease holds.
PUBLISH_DEADLINE_SECONDS = LEASE_SECONDS * 0.4
# Behind every wake-up; part of correctness, since wake-ups may be lost.
SWEEP_SECONDS = 1.0
# A routing key is a short string (AMQP 0-9-1, 4.2.5.3); the embedded bus keeps to it.
_LONGEST_TYPE_BYTES = 255
_FIRST_RETRY_SECONDS = 0.1
_LONGEST_RETRY_SECONDS = 2.0


class RelayLoop:
    """The relay of one context; `run` is the target of a thread and ends only when asked to."""

    def __init__(self, context: str, broker_url: str, *, name: str = "worker") -> None:
        self.context = context
        self._broker_url = broker_url
        self._owner = f"{name}:{os.getpid()}:{uuid4().hex[:6]}"
        self._leading = False
        self._said = ""

    @property
    def leads(self) -> bool:
        """True while this relay holds the context's lease."""
        return self._leading

    def run(self, stopping: Stopping) -> None:
        """Relay until asked to stop; finish the batch in hand, then give the lease back."""
        pause = _FIRST_RETRY_SECONDS
        while not stopping.is_set():
            began = time.monotonic()
            session = _Session(self.context, self._broker_url, self._owner, stopping, self._leads)
            try:
                session.run()
            except DatabaseError as lost:
                self._say(f"lost its database: {lost}")
            except Exception:  # noqa: BLE001 - recorded; an event that waits is better than a relay that ended
                _log.exception("The relay of %s failed and tries again in %.1f s.", self.context, pause)
            finally:
                session.close()
                self._leads(False)
            stopping.wait(pause)
            pause = min(_LONGEST_RETRY_SECONDS, pause * 2)
            if time.monotonic() - began > LEASE_SECONDS:
                pause, self._said = _FIRST_RETRY_SECONDS, ""

    def _leads(self, leads: bool) -> None:
        self._leading = leads

    def _say(self, what: str) -> None:
        # Once a cause, not once a try.
        if what != self._said:
            self._said = what
            _log.warning("The relay of %s %s. It tries again until it is back.", self.context, what)


class _Session:
    """One run of the machine, from fresh connections to the first database error or the stop."""

    def __init__(self, context: str, broker_url: str, owner: str, stopping: Stopping, leads: Any) -> None:
        self._context, self._broker_url, self._owner = context, broker_url, owner
        self._stopping, self._leads = stopping, leads
        self._machine = core.Relay()
        self._store = OutboxStore(context)
        self._publisher: bus.Publisher | None = None
        self._warned = ""

    def run(self) -> None:
        self._store.close()
        self._listener = wakeup.listen(self._context)
        events: deque[core.RelayEvent] = deque([core.Tick()])
        while True:
            while events:
                for effect in self._machine.step(events.popleft()):
                    # A batch that has begun is settled; a new one is not begun.
                    if isinstance(effect, core.Acquire | core.Claim) and self._stopping.is_set():
                        return
                    events.extend(self._perform(effect))
            if self._stopping.is_set():
                return
            events.append(self._idle())

    def _perform(self, effect: core.Effect) -> list[core.RelayEvent]:
        match effect:
            case core.Acquire():
                return self._acquire()
            case core.Claim(fence, limit):
                rows = self._store.claim(fence, limit)
                if rows is None:
                    return [self._fenced()]
                return [core.Claimed(tuple(_pending(row) for row in rows))]
            case core.Publish(rows):
                return self._publish(rows)
            case core.Settle():
                return [core.Settled() if self._store.settle(effect) else self._fenced()]
            case core.Disconnect():
                self._disconnect()
            case core.Pause(seconds):
                self._stopping.wait(seconds)
                return [core.Tick()]
        return []

    def _acquire(self) -> list[core.RelayEvent]:
        fence = self._store.acquire(self._owner)
        if fence is None:
            return []
        self._leads(True)
        _log.info("The relay of %s holds its lease, fence %d.", self._context, fence)
        return [core.Leased(fence)]

    def _idle(self) -> core.RelayEvent:
        seconds = SWEEP_SECONDS
        if self._machine.fence is None:
            # Another relay leads: its lease may end before the sweep.
            seconds = min(seconds, max(0.02, self._store.lease_left()))
        elif self._publisher is not None:
            try:
                self._publisher.tick()
            except bus.PublishBroken as broken:
                return core.Lost(str(broken))
        self._listener.wait(seconds, self._stopping)
        return core.Tick()

    def _publish(self, rows: tuple[core.Pending, ...]) -> list[core.RelayEvent]:
        batch = _Batch(self._context)
        events: list[core.RelayEvent] = []
        lost: list[core.RelayEvent] = []
        try:
            if self._publisher is None:
                self._publisher = bus.open_publisher(self._broker_url, self._context)
            events += batch.dress(rows)
            verdicts = self._publisher.publish(batch.messages, deadline_seconds=PUBLISH_DEADLINE_SECONDS)
        except bus.PublishBroken as broken:
            self._warn(f"lost the broker: {broken}")
            verdicts, lost = broken.verdicts, [core.Lost(str(broken), broken.blames_message)]
        if verdicts.returned:
            self._warn(f"found no consumer bound to exchange {self._context}; start the worker of one")
        elif verdicts.confirmed and not lost:
            self._warned = ""
        return [*events, *batch.judge(verdicts), *lost]

    def _warn(self, what: str) -> None:
        # Said once a cause, not once a try.
        if what != self._warned:
            self._warned = what
            _log.warning("The relay of %s %s. Its events wait in the outbox.", self._context, what)

    def _fenced(self) -> core.Fenced:
        self._leads(False)
        _log.warning("The relay of %s lost its lease; another one leads, or it was paused.", self._context)
        return core.Fenced()

    def _disconnect(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None

    def close(self) -> None:
        """Give the lease back and drop both connections; never raises."""
        self._disconnect()
        with suppress(Exception):
            if self._machine.fence is not None:
                self._store.release(self._machine.fence)
                wakeup.wake(self._context)
        with suppress(Exception):
            self._store.close()


def _pending(row: OutboxRow) -> core.Pending:
    return core.Pending(id=str(row.id), attempts=row.attempts, row=row)


class _Batch:
    """Rows on their way: each has a publish span, whose trace context goes into its envelope."""

    def __init__(self, context: str) -> None:
        self._context = context
        self._spans: dict[str, Span] = {}
        self.messages: list[bus.Outgoing] = []

    def dress(self, rows: tuple[core.Pending, ...]) -> list[core.RelayEvent]:
        """Encode every row; return Refused for those that cannot be."""
        refused: list[core.RelayEvent] = []
        for pending in rows:
            try:
                self.messages.append(self._message(pending.row))
            except (msgspec.MsgspecError, UnicodeError, TypeError, ValueError) as wrong:
                refused.append(core.Refused(pending.id, f"cannot be encoded: {wrong}"))
        return refused

    def _message(self, row: OutboxRow) -> bus.Outgoing:
        if len(row.type.encode()) > _LONGEST_TYPE_BYTES:
            raise ValueError(f"an event type has at most {_LONGEST_TYPE_BYTES} bytes")
        headers: dict[str, Any] = row.headers
        known = {name: headers[name] for name in ("traceparent", "tracestate") if headers.get(name)}
        span = trace.get_tracer("fissile").start_span(
            f"relay publish {row.type}",
            context=_trace.extract(known),
            kind=SpanKind.PRODUCER,
            attributes={"message.id": str(row.id), "aggregate": row.aggregate, "version": row.version},
        )
        self._spans[str(row.id)] = span
        carrier: dict[str, str] = {}
        _trace.inject(carrier, context=trace.set_span_in_context(span))
        envelope = Envelope(
            id=row.id,
            source=self._context,
            type=row.type,
            subject=row.aggregate,
            aggregateversion=row.version,
            time=row.recorded_at.astimezone(UTC),
            data=row.payload,
            correlationid=headers.get("correlationid") or str(row.id),
            causationid=headers.get("causationid"),
            traceparent=carrier.get("traceparent") or headers.get("traceparent"),
            tracestate=carrier.get("tracestate") or headers.get("tracestate"),
            tenant=headers.get("tenant") or TENANT,
        )
        return bus.Outgoing(id=str(row.id), routing_key=row.type, body=encode_envelope(envelope))

    def judge(self, verdicts: bus.Verdicts) -> list[core.RelayEvent]:
        """Turn the broker's verdicts into events, and end the spans of messages that left."""
        events: list[core.RelayEvent] = []
        for message in self.messages:
            reason = verdicts.refused.get(message.id, "")
            if message.id in verdicts.confirmed:
                events.append(core.Confirmed(message.id))
            elif reason:
                events.append(core.Refused(message.id, reason))
            elif reply := verdicts.returned.get(message.id):
                reason = f"no consumer is bound to exchange {self._context} ({reply})"
                events.append(core.Returned(message.id, reason))
                # Not ended, so not kept: it is tried every two seconds until somebody is bound.
                continue
            else:
                reason = "no verdict: the connection was lost"
            span = self._spans[message.id]
            if reason:
                tracing.fail_unless_failed(span, reason)
            span.end()
        return events
