"""Pattern 6: at least once, and nobody waits in lock-step.

Events only, so far: commands (to exactly one) and request-reply come with the
messages issue, and so do their clauses.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from uuid import UUID, uuid4

from bff_app.management.shop import Person, Shop
from fissile.prove import Proof

from . import broker
from .scene import ShopScene, answered, ensure, settled

PROOF = Proof(
    number=6,
    code="fissile.events.bus, fissile.events.relay, fissile.events.inbox",
    page="docs/patterns/6-messaging.md",
)
UNCONFIRMED = "an event that the broker has not confirmed is sent again"


@PROOF.clause("an event reaches two consumers")
def two_consumers(scene: ShopScene) -> str:
    """Bind a second queue to orders' stream; the dashboard and the queue hear the same message."""
    scene.needs_processes()
    rosa = scene.known_buyer()
    with broker.tapped(scene, "orders") as tap:
        order = answered(scene.shop.place(rosa), 201).body["id"]
        number, envelope, _ = tap.first_about(f"order/{order}")
    scene.on_dashboard(rosa, order)
    heard = scene.rows("bff", f"SELECT message_id FROM bff_inbox WHERE aggregate = 'order/{order}'")
    ids = [str(UUID(str(one))) for (one,) in heard]
    ensure(ids == [str(envelope.id)] == [number], f"the dashboard heard {ids}, the tap {number} ({envelope.id})")
    return f"message {number} at bff.orders and at a second queue"


@PROOF.clause("a message says which it is, of which story, and because of what")
def identified(scene: ShopScene) -> str:
    """Place an order as another service would, with a cause; read the message on the broker."""
    scene.needs_processes()
    rosa, story, cause = scene.known_buyer(), f"story-{uuid4().hex[:8]}", str(uuid4())
    # The gateway takes no cause from outside, so this goes to orders' own listener.
    behind = Shop(url=scene.house.house.url("orders"))
    with broker.tapped(scene, "orders") as tap:
        told = {"x-correlation-id": story, "x-causation-id": cause, "idempotency-key": uuid4().hex}
        lines = {"lines": [{"sku": "chisel", "quantity": 1}]}
        reply = answered(behind.send("POST", "/api/v1/orders", who=rosa, body=lines, headers=told), 201)
        number, message, _ = tap.first_about(f"order/{reply.body['id']}")
    row = scene.rows("orders", f"SELECT id FROM orders_outbox WHERE aggregate = 'order/{reply.body['id']}'")
    ensure([str(UUID(str(one))) for (one,) in row] == [number], "the broker's message id is not the event's")
    ensure(message.correlationid == story, f"correlation id {message.correlationid}")
    ensure(message.causationid == cause, f"causation id {message.causationid}")
    ensure((message.source, message.type) == ("orders", "orders.order_placed.v1"), f"{message.source} {message.type}")
    ensure(message.aggregateversion == 1 and message.specversion == "1.0", "version or specification")
    ensure(reply.trace_id in (message.traceparent or ""), f"traceparent {message.traceparent}")
    return f"id {number}, correlation {story}, causation {cause}, version 1, its trace"


@PROOF.clause("consumer down, then up: nothing is lost")
def consumer_down(scene: ShopScene) -> str:
    """Place orders while the dashboard's consumer is down."""
    scene.needs_processes()
    rosa = scene.known_buyer()
    with scene.stopped(scene.worker("bff")):
        orders = [answered(scene.shop.place(rosa, {"chisel": 1}), 201).body["id"] for _ in range(5)]
        if scene.topology == "split":
            waiting = "SELECT count(*) FROM orders_outbox WHERE sent_at IS NULL"
            settled(lambda: scene.rows("orders", waiting) == [(0,)], seconds=15, what="the relay goes on alone")
        shown = answered(scene.shop.dashboard(rosa), 200).body["orders"]
        ensure(shown == [], "the dashboard heard of them without its consumer")
    for order in orders:
        scene.on_dashboard(rosa, order)
    shown = answered(scene.shop.dashboard(rosa), 200).body
    ensure(sorted(row["id"] for row in shown["orders"]) == sorted(orders), "an order is missing or there twice")
    ensure(shown["totals"]["orders_placed"] == 5, f"totals: {shown['totals']}")
    return "5 orders placed meanwhile, 5 shown afterwards, once each"


@PROOF.clause("an event that nobody is bound for waits and is not lost")
def unroutable(scene: ShopScene) -> str:
    """Take the dashboard's binding away, place an order, give it back."""
    scene.needs_processes()
    rosa = scene.known_buyer()
    with broker.unbound(scene, "bff.orders", "orders"):
        order = answered(scene.shop.place(rosa), 201).body["id"]
        row = f"SELECT sent_at, reason FROM orders_outbox WHERE aggregate = 'order/{order}'"
        reason = settled(lambda: scene.rows("orders", row)[0][1], seconds=10, what="a reason on the event")
        ensure(scene.rows("orders", row)[0][0] is None, "an event without a consumer is marked as sent")
    scene.on_dashboard(rosa, order)
    return f"it waited ({reason}) and arrived once somebody was bound"


@PROOF.clause(UNCONFIRMED)
def unconfirmed(scene: ShopScene) -> str:
    """Lose the broker between a publish and its confirm (embedded: the worker, before the bus's commit)."""
    scene.needs_processes()
    rosa = scene.known_buyer()
    return _line_cut(scene, rosa) if scene.is_real else _killed_before_commit(scene, rosa)


def _marked_as_sent(scene: ShopScene, order: str) -> bool:
    """Watch an event that cannot be confirmed for as long as a hasty relay needs to call it sent."""
    row = f"SELECT sent_at FROM orders_outbox WHERE aggregate = 'order/{order}'"
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        if scene.rows("orders", row) != [(None,)]:
            return True
        time.sleep(0.02)
    return False


def _line_cut(scene: ShopScene, rosa: Person) -> str:
    worker = scene.worker("orders")
    with ExitStack() as stack:
        stack.enter_context(scene.stopped(worker))
        line = stack.enter_context(broker.line_to(broker.broker_url(scene)))
        row = scene.row(worker, extra={"BROKER_URL": line.url})
        stack.enter_context(scene.running_also(row))
        warm = answered(scene.shop.place(rosa), 201).body["id"]
        scene.on_dashboard(rosa, warm)
        line.swallow()
        order = answered(scene.shop.place(rosa), 201, "an order while the broker is deaf").body["id"]
        settled(lambda: order.encode() in line.swallowed, seconds=10, what="the event on the broken line")
        # The broker never had it; whoever says "sent" now is wrong, and will not send it again.
        marked = _marked_as_sent(scene, order)
        line.cut()
        ensure(not marked, "marked as sent although the broker never had it; the line was cut: the event is lost")
        scene.on_dashboard(rosa, order, seconds=15)
    return "published into a broken line, never confirmed, sent again on the next one"


def _killed_before_commit(scene: ShopScene, rosa: Person) -> str:
    worker = scene.worker("orders")
    with scene.connected("bus") as bus:
        bus.execute("BEGIN IMMEDIATE")
        order = answered(scene.shop.place(rosa), 201, "an order while the bus is locked").body["id"]
        marked = _marked_as_sent(scene, order)
        scene.house.processes.kill(worker)
        bus.execute("ROLLBACK")
    scene.bring_up(worker)
    ensure(not marked, "marked as sent although the bus could not have it; its worker was killed: the event is lost")
    scene.on_dashboard(rosa, order, seconds=30)
    return "the bus was locked, the worker killed; the event was not marked and was sent by the next worker"


PROOF.sabotaged_by(
    "confirms off, and the broker is lost",
    clause=UNCONFIRMED,
    patches={"*worker": "tests.proofs.sabotage:do_not_wait_for_confirms"},
)
