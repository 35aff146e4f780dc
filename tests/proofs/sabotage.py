"""Deliberate breaks, one per function: what a pattern forbids, done on purpose.

Each is applied by `fissile.testing.launch` to one kind of process of a house that
was started to be broken, or (the last ones) to its stores. Production code knows
nothing of them.
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

    def take_for_confirmed(self: Any, *, deadline_seconds: float) -> publishing.Verdicts:
        sent, until = set(self._waiting.values()), time.monotonic() + 0.2
        try:
            while self._waiting and time.monotonic() < until:
                self._read(until)
        except TimeoutError:
            pass
        except (amqp.AMQPError, OSError) as wrong:
            raise publishing.PublishBroken(repr(wrong), self._verdicts) from wrong
        finally:
            self._restore_timeout()
        self._verdicts.confirmed = sent - set(self._verdicts.returned)
        return self._verdicts

    amqp.AmqpPublisher.verdicts = take_for_confirmed
    commit = publishing.EmbeddedPublisher.send
    in_turn = ThreadPoolExecutor(1)

    def routed(self: Any, messages: Any) -> publishing.Verdicts:
        told = publishing.Verdicts()
        for message in messages:
            if self._channel.is_routed(self._exchange.name, message.routing_key):
                told.confirmed.add(message.id)
            else:
                told.returned[message.id] = "NO_ROUTE"
        return told

    def commit_later(self: Any, messages: Any, *, deadline_seconds: float) -> None:
        made = tuple(messages)
        # By the same thread: a connection in a commit can be asked nothing.
        self._told = in_turn.submit(routed, self, made).result()
        in_turn.submit(commit, self, made, deadline_seconds=deadline_seconds)

    publishing.EmbeddedPublisher.send = commit_later
    publishing.EmbeddedPublisher.verdicts = lambda self, *, deadline_seconds: self._told


def tell_everybody_what_is_for_one() -> None:
    """Relay: publish commands and replies to whoever hears the context's events, too."""
    from dataclasses import replace

    from fissile.events.relay import shell

    dress = shell._Batch.dress

    def dress_for_all(self: Any) -> Any:
        for one in dress(self):
            yield one
            if one.exchange != self._context:
                yield replace(one, exchange=self._context)

    shell._Batch.dress = dress_for_all  # type: ignore[method-assign]


def take_a_reply_for_one_to_the_latest_request() -> None:
    """Receivers: do not look which request a reply names."""
    from fissile.events.outbox import outbox_of
    from fissile.events.receivers import Receiver

    def latest(self: Any, request: Any, message: Any) -> Any:
        return outbox_of(self.context).objects.using(self.context).filter(type=request.name).order_by("seq").last()

    Receiver._asked = latest  # type: ignore[method-assign]


def take_replies_at_any_time() -> None:
    """Receivers: hear a reply whenever it comes."""
    from fissile.events.consumers import HANDLED
    from fissile.events.receivers import Receiver

    def hear(self: Any, reply: Any, function: Any, message: Any) -> str:
        function(reply, message)
        return HANDLED

    Receiver._hear = hear  # type: ignore[method-assign]


def store_the_key_after_the_transaction() -> None:
    """Commands: write the answer beside its key once the effect is committed, a moment later."""
    from contextlib import nullcontext

    from django.db import transaction

    from fissile.data import commands, unit_of_work
    from fissile.data.guard import writing

    store = commands._store
    # SQLite's writers queue within a process until all of a commit is over, and would wait for the key too.
    unit_of_work._turn = lambda alias: nullcontext()

    def store_later(context: str, claim: Any, answer: Any) -> None:
        def later() -> None:
            time.sleep(0.2)
            with writing(context):  # the guard would refuse this write, too
                store(context, claim, answer)

        transaction.on_commit(later, using=context, robust=True)

    commands._store = store_later


def let_every_query_through() -> None:
    """Guard: look away from queries on foreign tables (what makes tables is another clause's matter)."""
    from fissile.data import guard

    refuse = guard._foreign

    def look_away(alias: str, found: Any) -> None:
        if found.word in ("create", "alter", "drop"):
            refuse(alias, found)

    guard._foreign = look_away


def let_every_write_through() -> None:
    """Guard: look away from rows that are written outside a unit of work."""
    from fissile.data import guard

    guard._unannounced = lambda alias, found: None


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
        publisher = bus.open_publisher(settings.FISSILE["broker_urls"][context], context)
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


def open_the_broker(stores: str) -> None:
    """Stores: give orders' user every right on the broker, as one user for all contexts would have."""
    from deploy.local.house import SERVICES_DIR
    from deploy.local.services import broker
    from deploy.local.services.instance import Instance, base_of

    broker.allow(Instance(folder=SERVICES_DIR, base=base_of(SERVICES_DIR, None)), stores, "orders", broker.ALL)


def open_the_databases(stores: str) -> None:
    """Stores: let everybody connect to users' database, as PostgreSQL does unless it is told otherwise."""
    import psycopg

    from deploy.local.house import SERVICES_DIR, credentials

    server = credentials(SERVICES_DIR)["postgres"]
    login = {"user": server["superuser"], "password": server["superuser_password"], "dbname": "postgres"}
    with psycopg.connect(host=server["host"], port=server["port"], **login, autocommit=True) as superuser:
        superuser.execute(f"GRANT CONNECT ON DATABASE {stores}_users TO PUBLIC")
