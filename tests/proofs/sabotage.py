"""Deliberate breaks, one per function: what a pattern forbids, done on purpose.

Each is applied by `fissile.testing.launch` to one kind of process of a house that
was started to be broken. Production code knows nothing of them.
"""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any


def pass_every_header() -> None:
    """Gateway: forward what a client sends, as a naive proxy does; only this hop's own headers stay behind."""
    from fissile.edge.gateway import headers

    this_hop = {b"host", b"connection", b"content-length", b"transfer-encoding", b"expect", b"keep-alive", b"te"}

    def forward_all(received: list[tuple[bytes, bytes]]) -> dict[str, list[str]]:
        kept: dict[str, list[str]] = {}
        for name, value in received:
            if name not in this_hop:
                kept.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
        return kept

    headers._forwardable = forward_all


def gather_one_after_the_other() -> None:
    """BFF: fetch the parts in turn, each for as long as it takes (8 s stand for ever here)."""
    from bff_app import usecases
    from bff_app.adapters import users
    from fissile import carry
    from fissile.calls import CallPolicy
    from fissile.edge import composition
    from fissile.errors import FissileError

    for_ever = 8.0

    def in_turn(parts: Any, deadline_seconds: float) -> composition.Parts:
        values: dict[str, Any] = {}
        missing: dict[str, str] = {}
        for name, part in parts.items():
            with carry.using(deadline=time.monotonic() + for_ever):
                try:
                    # The same hops as before: only time and order are sabotaged.
                    values[name] = composition._run(name, part)
                except FissileError as failure:
                    missing[name] = failure.code
        return composition.Parts(values=values, missing=missing)

    usecases.gather_parts = in_turn
    users.ASK_USERS = CallPolicy(deadline_seconds=for_ever, attempts=1, is_safe=True)


def do_not_wait_for_confirms() -> None:
    """Relay: call a message sent once it was handed over, on either broker.

    Returns of unroutable messages still count: only the confirm is off.
    """
    from concurrent.futures import ThreadPoolExecutor

    from fissile.events.bus import amqp, publishing

    def hand_over(self: Any, messages: Any, *, deadline_seconds: float) -> publishing.Verdicts:
        self._waiting.clear()
        self._verdicts = publishing.Verdicts()
        try:
            for message in messages:
                self._send(message)
            until = time.monotonic() + 0.2
            while self._waiting and time.monotonic() < until:
                self._read_frame(until)
        except TimeoutError:
            pass
        except (amqp.AMQPError, OSError) as wrong:
            raise publishing.PublishBroken(repr(wrong), self._verdicts) from wrong
        sent = {message.id for message in messages} - set(self._verdicts.returned)
        self._verdicts.confirmed = sent
        return self._verdicts

    amqp.AmqpPublisher.publish = hand_over
    commit = publishing.EmbeddedPublisher.publish
    in_turn = ThreadPoolExecutor(1)

    def commit_later(self: Any, messages: Any, *, deadline_seconds: float) -> publishing.Verdicts:
        verdicts = publishing.Verdicts()
        for message in messages:
            if self._channel.is_routed(self._exchange.name, message.routing_key):
                verdicts.confirmed.add(message.id)
            else:
                verdicts.returned[message.id] = "NO_ROUTE"
        in_turn.submit(commit, self, messages, deadline_seconds=deadline_seconds)
        return verdicts

    publishing.EmbeddedPublisher.publish = commit_later


def store_the_key_after_the_transaction() -> None:
    """Commands: write the answer beside its key once the effect is committed, a moment later."""
    from contextlib import nullcontext

    from django.db import transaction

    from fissile.data import commands, unit_of_work

    store = commands._store
    # SQLite's writers queue within a process until all of a commit is over, and would wait for the key too.
    unit_of_work._turn = lambda alias: nullcontext()

    def store_later(context: str, claim: Any, answer: Any) -> None:
        def later() -> None:
            time.sleep(0.2)
            store(context, claim, answer)

        transaction.on_commit(later, using=context, robust=True)

    commands._store = store_later


def let_every_query_through() -> None:
    """Router: the guard looks away from queries (what changes tables is another clause's matter)."""
    from fissile.data import ownership

    watch = ownership.QueryOnForeignTable.__call__

    def look_away(self: Any, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().upper().startswith(("CREATE", "ALTER", "DROP")):
            return watch(self, execute, sql, params, many, context)
        return execute(sql, params, many, context)

    ownership.QueryOnForeignTable.__call__ = look_away


def publish_before_commit() -> None:
    """Unit of work: tell the broker inside the transaction, from the web process; the outbox stays as it is."""
    from datetime import UTC, datetime

    from django.conf import settings

    from fissile.data import unit_of_work
    from fissile.events import bus
    from fissile.events.outbox import append
    from fissile.messages import Envelope, encode_envelope

    def append_and_tell(event: Any, version: int, context: str) -> None:
        row = append(event, version, context)
        envelope = Envelope(
            id=row.id, source=context, type=row.type, subject=row.aggregate, aggregateversion=version,
            time=datetime.now(UTC), data=row.payload, correlationid=row.headers["correlationid"],
            traceparent=row.headers["traceparent"],
        )  # fmt: skip
        publisher = bus.open_publisher(settings.FISSILE["broker_url"], context)
        message = bus.Outgoing(id=str(row.id), routing_key=row.type, body=encode_envelope(envelope))
        publisher.publish([message], deadline_seconds=4)
        publisher.close()

    unit_of_work.outbox[:] = [append_and_tell]


def pass_raw_payloads_through() -> None:
    """Calls: hand the neighbour's JSON to the adapter as it came, with what is missing made up."""
    import msgspec

    from fissile.calls import answers

    made_up = {"id": "", "name": "", "email": "", "currency": "EUR", "credit_limit_minor": 10**9}

    def as_it_came(shape: Any, data: Any) -> Any:
        try:
            return msgspec.convert(data, shape, strict=False)
        except msgspec.ValidationError:
            return SimpleNamespace(**{**made_up, **(data if isinstance(data, dict) else {})})

    answers.from_wire = as_it_came


def forget_the_trace_in_the_outbox() -> None:
    """Outbox: keep the correlation id, but not the trace context of the change."""
    from fissile.events import outbox

    headers = outbox._headers

    def without_trace() -> dict[str, Any]:
        return {**headers(), "traceparent": None, "tracestate": None}

    outbox._headers = without_trace
