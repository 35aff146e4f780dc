"""Wrong designs, one per function: each breaks one promise of messaging, so that a row's checks must turn red.

Applied by `fissile.testing.launch` to one kind of process of a house of their own. Production code knows of none.
"""

from __future__ import annotations

import time
from typing import Any

# Sums of orders on which the dashboard chokes: one feather-wedge, one limestone-sill, one granite-block.
RAISES_TOTAL, KILLS_TOTAL, HANGS_TOTAL = 3_900, 8_800, 12_500


def publish_after_commit() -> None:
    """Unit of work: no event waits in the outbox; the web process publishes once the transaction is committed (T6)."""
    from threading import local

    from django.conf import settings

    from fissile.data import unit_of_work
    from fissile.data.clock import database_now
    from fissile.events import bus
    from fissile.events.outbox import append
    from fissile.messages import Envelope, encode_envelope

    mine = local()

    def begin(context: str) -> None:
        mine.rows = []

    def append_as_sent(event: Any, version: int, context: str) -> None:
        row = append(event, version, context)
        row.sent_at = database_now(context)
        row.save(using=context, update_fields=["sent_at"])
        mine.rows.append(row)

    def publish(context: str) -> None:
        publisher = bus.open_publisher(settings.FISSILE["broker_urls"][context], context)
        for row in mine.rows:
            envelope = Envelope(
                id=row.id, source=context, type=row.type, subject=row.aggregate, aggregateversion=row.version,
                time=database_now(context), data=row.payload, correlationid=row.headers["correlationid"],
                traceparent=row.headers["traceparent"],
            )  # fmt: skip
            message = bus.Outgoing(id=str(row.id), routing_key=row.type, body=encode_envelope(envelope))
            publisher.publish([message], deadline_seconds=4)
        publisher.close()

    unit_of_work.before_begin.append(begin)
    unit_of_work.outbox[:] = [append_as_sent]
    unit_of_work.after_commit[:] = [publish]


def mark_before_confirm() -> None:
    """Relay: rows count as sent once they are claimed, and are published a moment later."""
    from fissile.events.relay import store
    from fissile.events.relay.core import Settle

    claim = store.OutboxStore.claim

    def claim_and_mark(self: Any, asked: Any) -> Any:
        rows, lanes = claim(self, asked)
        if rows:
            self.settle(Settle(asked.fences, tuple(str(row.id) for row in rows), (), (), ""))
            time.sleep(0.05)
        return rows, lanes

    _claim_after_settling()
    store.OutboxStore.claim = claim_and_mark


def _claim_after_settling() -> None:
    """Not a wrong design: what a relay does in one transaction, in two, so that each can be patched."""
    from dataclasses import replace

    from fissile.events.relay import store

    settle = store.OutboxStore.settle

    def settle_then_claim(self: Any, verdicts: Any) -> Any:
        lost, _ = settle(self, replace(verdicts, then=None))
        return lost, self.claim(verdicts.then) if verdicts.then else None

    store.OutboxStore.settle = settle_then_claim


def acknowledge_before_commit() -> None:
    """Consumer: messages are acknowledged when they arrive, as Celery does by default (T16)."""
    from fissile.events.inbox import loop

    receive = loop.ConsumeLoop._receive

    def receive_and_acknowledge(self: Any, timeout_seconds: float) -> Any:
        deliveries = receive(self, timeout_seconds)
        if deliveries:
            self._connection.ack(deliveries)
        return deliveries

    def no_more(self: Any) -> None:
        self._held = ()

    loop.ConsumeLoop._receive = receive_and_acknowledge
    loop.ConsumeLoop._ack = no_more


def commit_effects_apart() -> None:
    """Consumer: a handler's effects commit by themselves, the inbox row in a transaction after it."""
    from fissile.events.inbox import shell

    handle = shell.InboxShell._handle

    def handle_and_commit(self: Any, message: Any) -> Any:
        done = handle(self, message)
        self._transaction.commit()
        self._transaction.begin()
        return done

    shell.InboxShell._handle = handle_and_commit


def poisoned_dashboard() -> None:
    """Worker: the dashboard's handler of a new order chokes on three sums; F17 has this in both designs.

    FAULTS_HUNG_SECONDS, if it is set, is how long a thread may be silent before its worker ends, 90 s as shipped:
    beside the time for which SQLite keeps whoever waits for a file, as for one that an isolated handler holds.
    """
    import os
    import signal

    from django.apps import apps
    from django.conf import settings

    if not apps.is_installed("bff_app"):
        return
    from bff_app import projections
    from fissile.events import threads

    if "FAULTS_HUNG_SECONDS" in os.environ:
        kept_seconds = settings.DATABASES["bff"].get("OPTIONS", {}).get("timeout", 0)
        threads.HUNG_SECONDS = float(os.environ["FAULTS_HUNG_SECONDS"]) + kept_seconds
    add_order = projections.add_order

    def add_some_orders(order_id: Any, **facts: Any) -> None:
        if facts["total_minor"] == RAISES_TOTAL:
            raise ValueError("this sum cannot be shown")
        if facts["total_minor"] == KILLS_TOTAL:
            os.kill(os.getpid(), signal.SIGKILL)
        while facts["total_minor"] == HANGS_TOTAL:
            time.sleep(3600)
        add_order(order_id, **facts)

    projections.add_order = add_some_orders


def never_park() -> None:
    """Control: what fails is tried for ever."""
    from fissile.events.inbox import core

    core.ATTEMPTS = 10**6


def handle_every_delivery() -> None:
    """Control, worker: a handler runs for each delivery, known or not."""
    from django.db import transaction

    from fissile.data.guard import writing
    from fissile.events.inbox import core, shell
    from fissile.events.inbox.handling import handle

    drive = shell.InboxShell.drive

    def handle_first(self: Any, event: Any, *stop: Any) -> None:
        if isinstance(event, core.Delivered):
            applied = dict(self._store.positions.values_list("aggregate", "applied_version"))
            for message in event.messages:
                if applied.get(message.aggregate, 0) >= message.version:
                    _once_more(self._consumer, message)
        drive(self, event, *stop)

    def _once_more(consumer: Any, message: Any) -> None:
        try:
            with transaction.atomic(using=consumer.context), writing(consumer.context):
                handle(consumer, message)
        except Exception:  # noqa: BLE001 - many handlers refuse a second time; those that do not are the point
            return

    shell.InboxShell.drive = handle_first


def stop_where_told() -> None:
    """Process: its crash point stops it (SIGSTOP) instead of killing it; F02 has this in both designs."""
    import os
    import signal
    from pathlib import Path

    from fissile.testing import crashes
    from tests.house import crash_folder

    trigger = crash_folder(Path(os.environ["STATE_DIR"])) / os.environ["PROCESS_NAME"]
    crashes.watch(trigger, end=lambda: os.kill(os.getpid(), signal.SIGSTOP))


def never_reconnect() -> None:
    """Relay: a connection that broke is kept and tried again, as if it could come back (T24)."""
    from fissile.events.relay import shell

    shell._Session._disconnect = lambda self: None


def trust_the_lease() -> None:
    """Relay: what it held once counts as held, whatever fence the lane has by now (T11)."""
    from dataclasses import replace

    from fissile.events.relay import core, shell, store

    settle = store.OutboxStore.settle

    def settle_under_any_fence(self: Any, verdicts: Any) -> Any:
        now = dict(self._lanes(verdicts.fences).values_list("lane", "fence"))
        return settle(self, replace(verdicts, fences=now))

    store.OutboxStore.settle = settle_under_any_fence
    store.OutboxStore._still_held = lambda self, fences, **also: list(fences)
    store._ours = lambda fences, lanes: [lane for lane in lanes if lane.number in fences]
    shell.lost_lanes = core.lost_lanes = lambda held, lanes: ()


def take_every_lane() -> None:
    """Relay: each takes every lane, whoever else holds it."""
    from dataclasses import replace

    from fissile.events.relay import store

    look = store.OutboxStore._look

    def as_if_free(self: Any, asked: Any) -> Any:
        seen, rows = look(self, asked)
        free = (replace(lane, owner="", left_seconds=0.0, wanted_by="") for lane in seen.lanes)
        return seen._replace(lanes=tuple(free)), rows

    def take(self: Any, owner: str, lanes: Any) -> dict[int, int]:
        return dict(self._lanes(lanes).values_list("lane", "fence"))

    trust_the_lease()
    _claim_after_settling()
    store.OutboxStore._look = as_if_free
    store.OutboxStore.acquire = take


def ignore_the_limit() -> None:
    """Outbox: events are recorded, however many wait already."""
    from fissile.events import backlog

    backlog.Backlog.ensure_room = lambda self: None
