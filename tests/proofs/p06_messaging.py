"""Pattern 6: at least once, and nobody waits in lock-step: events to all, commands to one, replies to who asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from uuid import UUID, uuid4

import urllib3

from apps.payments.context import CONTEXT as PAYMENTS
from bff_app.context import CONTEXT as BFF
from bff_app.management.shop import Person, Shop
from fissile.prove import Proof
from tests.broker import publish_again

from . import broker
from .scene import ROOT, ShopScene, answered, ensure, manage, settled

PROOF = Proof(
    number=6,
    code="fissile.events.bus, fissile.events.relay, fissile.events.inbox",
    page="docs/patterns/6-messaging.md",
)
HEARERS = (PAYMENTS, BFF)
UNCONFIRMED = "an event that the broker has not confirmed is sent again"
EXACTLY_ONE = "a command reaches exactly one"
FINDS_ASKER = "a reply finds its asker"
LATE = "a late reply is dropped and counted"


@PROOF.clause("an event reaches two consumers")
def two_consumers(scene: ShopScene) -> str:
    """Bind a second queue to orders' stream; the dashboard and the queue hear the same message."""
    scene.needs_processes()
    rosa = scene.known_buyer()
    with broker.tapped(scene, "orders") as tap:
        order = answered(scene.shop.place(rosa), 201).body["id"]
        number, envelope, _ = tap.first_about(f"order/{order}")
    scene.on_dashboard(rosa, order)
    heard = scene.rows("bff", f"SELECT message_id FROM bff_inbox WHERE aggregate = 'order/{order}' AND version = 1")
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
    first = f"aggregate = 'order/{reply.body['id']}' AND version = 1"
    row = scene.rows("orders", f"SELECT id FROM orders_outbox WHERE {first}")
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
    with scene.stopped(*scene.workers("bff")):
        orders = [answered(scene.shop.place(rosa, {"chisel": 1}), 201).body["id"] for _ in range(5)]
        if scene.is_apart("bff", "orders"):
            waiting = "SELECT count(*) FROM orders_outbox WHERE sent_at IS NULL"
            settled(lambda: scene.rows("orders", waiting) == [(0,)], seconds=60, what="the relay goes on alone")
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
    """Take away every binding to orders' stream, place an order, give them back while no relay runs."""
    scene.needs_processes()
    rosa = scene.known_buyer()
    queues = [name for context in HEARERS for name in context.consumers if name.endswith(".orders")]
    # Nothing may be on its way while only some of the queues are bound: it would reach those and count as sent.
    scene.wait_quiet()
    with ExitStack() as bindings:
        for queue in queues:
            bindings.enter_context(broker.unbound(scene, queue, "orders"))
        order = answered(scene.shop.place(rosa), 201).body["id"]
        row = f"SELECT sent_at, reason FROM orders_outbox WHERE aggregate = 'order/{order}'"
        reason = settled(lambda: scene.rows("orders", row)[0][1], seconds=60, what="a reason on the event")
        ensure(scene.rows("orders", row)[0][0] is None, "an event without a consumer is marked as sent")
        with scene.stopped(*scene.workers("orders")):
            bindings.close()
    scene.on_dashboard(rosa, order, status="confirmed")
    return f"without {', '.join(queues)} it waited ({reason}), and arrived once somebody was bound"


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
        line = stack.enter_context(broker.line_to(scene.house.environment("orders")["ORDERS_BROKER_URL"]))
        row = scene.row(worker, extra={"ORDERS_BROKER_URL": line.url})
        stack.enter_context(scene.running_also(row))
        warm = answered(scene.shop.place(rosa), 201).body["id"]
        # To its end: a later event of it would be on the deaf line first, and the one looked for would never come.
        scene.on_dashboard(rosa, warm, status="confirmed")
        line.swallow()
        order = answered(scene.shop.place(rosa), 201, "an order while the broker is deaf").body["id"]
        settled(lambda: order.encode() in line.swallowed, seconds=60, what="the event on the broken line")
        # The broker never had it; whoever says "sent" now is wrong, and will not send it again.
        marked = _marked_as_sent(scene, order)
        line.cut()
        ensure(not marked, "marked as sent although the broker never had it; the line was cut: the event is lost")
        scene.on_dashboard(rosa, order, seconds=60)
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
    scene.on_dashboard(rosa, order, seconds=60)
    return "the bus was locked, the worker killed; the event was not marked and was sent by the next worker"


# -- said to one alone: orders' request about a payment, and payments' reply


@PROOF.clause(EXACTLY_ONE)
def exactly_one(scene: ShopScene) -> str:
    """Have orders ask payments, deliver the request three times, with two workers of payments; look who had it."""
    scene.needs_processes()
    rosa = scene.known_buyer()
    order = answered(scene.shop.place(rosa), 201).body["id"]
    scene.on_dashboard(rosa, order, status="confirmed")
    before = _reports(scene)
    with scene.running_also(scene.row(scene.worker("payments"))), broker.tapped(scene, "orders") as everybody:
        with broker.tapped(scene, "orders.to-payments") as tap:
            request = _ask(scene, order, within_seconds=60)
            _, envelope, body = tap.first_about(f"command/{request}")
        publish_again(scene.house, "orders.to-payments", [(envelope, body)] * 2)
        # Behind the copies in the same queue: when it is taken, so are they.
        last = _ask(scene, order, within_seconds=60)
        for one in (request, last):
            settled(
                lambda one=one: _fate(scene, "payments.from-orders", f"command/{one}"), seconds=60, what="an answer"
            )
        overheard = len(everybody.about(f"command/{request}"))
    held = f"SELECT consumer, reason FROM {{}}_inbox WHERE aggregate = 'command/{request}'"
    had = [(row, overheard) for name in ("orders", "payments", "bff") for row in scene.rows(name, held.format(name))]
    ensure(had == [(("payments.from-orders", "handled"), 0)], f"the request was had by {had}, all hearers included")
    ensure(_reports(scene) - before == 2, f"{_reports(scene) - before} replies to two requests")
    return "delivered three times, to two workers: payments.from-orders had it, once, and answered once"


@PROOF.clause(FINDS_ASKER)
def finds_asker(scene: ShopScene) -> str:
    """Hold payments' events back in orders, so that only a reply can confirm an order; ask about two of them.

    The second request comes when its time is over: it must not be carried out, nor be taken for the first.
    """
    scene.needs_processes()
    rosa = scene.known_buyer()
    with _paused(scene, "orders.payments"):
        orders = [_placed_and_paid(scene, rosa) for _ in range(2)]
        with _paused(scene, "orders.from-payments"):
            in_time = _ask(scene, orders[0], within_seconds=60)
            too_late = _ask(scene, orders[1], within_seconds=0)
            fate = _settled_fate(scene, "payments.from-orders", f"command/{too_late}")
        _settled_fate(scene, "orders.from-payments", f"reply/{in_time}")
        ensure(fate == "expired request", f"a request whose time was over was {fate}")
        found = [_status(scene, rosa, order) for order in orders]
        ensure(found == ["confirmed", "placed"], f"asked in time and too late, the orders are {found}")
    scene.on_dashboard(rosa, orders[1], status="confirmed")
    return f"the reply to {in_time} confirmed its order while payments' events were held back; {too_late} was {fate}"


@PROOF.clause(LATE)
def late(scene: ShopScene) -> str:
    """Hold payments' events and replies back in orders until the answer is of no use; let the reply in, and look."""
    scene.needs_processes()
    rosa = scene.known_buyer()
    with _paused(scene, "orders.payments"):
        order = _placed_and_paid(scene, rosa)
        before = _late_replies(scene)
        with _paused(scene, "orders.from-payments"):
            request = _ask(scene, order, within_seconds=15)
            stored = f"SELECT state FROM orders_inbox WHERE aggregate = 'reply/{request}'"
            settled(lambda: scene.rows("orders", stored), seconds=60, what="the reply in orders' inbox")
            _wait_until_past(scene, request)
        fate = _settled_fate(scene, "orders.from-payments", f"reply/{request}")
        ensure(fate == "late reply", f"a reply that came too late was {fate}")
        ensure(_status(scene, rosa, order) == "placed", "a reply that came too late settled the order")
        counted = _late_replies(scene) - before
        ensure(counted == 1, f"one late reply, and /metrics grew by {counted:g}")
    scene.on_dashboard(rosa, order, status="confirmed")
    return "let in after its deadline: dropped, and counted once on /metrics; later the event settled the order"


def _ask(scene: ShopScene, order: str, *, within_seconds: int) -> str:
    """Have orders ask payments about an order, as its operators do; return the request's message id."""
    asked: str = scene.ask_inside(
        "orders",
        "import json; from datetime import timedelta; from uuid import UUID; from apps.orders import usecases, wiring; "
        f"asked = usecases.ask_for_payment(UUID('{UUID(order)}'), payments=wiring.payments(), "
        f"within=timedelta(seconds={within_seconds})); print(json.dumps(str(asked)))",
    )
    return asked


def _reports(scene: ShopScene) -> int:
    ((count,),) = scene.rows(
        "payments", "SELECT count(*) FROM payments_outbox WHERE type = 'payments.payment_report.v1'"
    )
    return int(count)


def _fate(scene: ShopScene, receiver: str, aggregate: str) -> str:
    """Return what became of a message that is for one context alone; nothing while it waits."""
    context = receiver.partition(".")[0]
    applied = f"WHERE consumer = '{receiver}' AND aggregate = '{aggregate}' AND state = 'applied'"
    return next((reason for (reason,) in scene.rows(context, f"SELECT reason FROM {context}_inbox {applied}")), "")


def _settled_fate(scene: ShopScene, receiver: str, aggregate: str) -> str:
    return settled(lambda: _fate(scene, receiver, aggregate), seconds=60, what=f"{aggregate} applied by {receiver}")


def _placed_and_paid(scene: ShopScene, rosa: Person) -> str:
    """Place an order and wait until payments has decided; return its id."""
    order: str = answered(scene.shop.place(rosa), 201).body["id"]
    settled(lambda: scene.shop.payment(rosa, order).status == 200, seconds=60, what="the order paid for")
    return order


def _status(scene: ShopScene, rosa: Person, order: str) -> str:
    return str(answered(scene.shop.send("GET", f"/api/v1/orders/{order}", who=rosa), 200).body["status"])


@contextmanager
def _paused(scene: ShopScene, consumer: str) -> Iterator[None]:
    """Have an operator pause a consumer of orders for a while; its workers have noticed before this goes on."""
    environment, said = scene.house.environment("orders"), f"{consumer}: paused; messages are stored, not applied"

    def noticed() -> int:
        return sum(line.get("event") == said for line in scene.log_lines(*workers))

    workers = scene.workers("orders")
    before = noticed()
    manage(ROOT, environment, "inbox", "pause", consumer, "--reason", "a proof")
    try:
        settled(lambda: noticed() - before == len(workers), seconds=60, what=f"{consumer} has noticed its pause")
        yield
    finally:
        manage(ROOT, environment, "inbox", "resume", consumer, "--reason", "a proof")


def _wait_until_past(scene: ShopScene, request: str) -> None:
    """Return once a request's `answer_by` is past, by the clock of orders' database."""
    code = (
        "import time; from datetime import datetime; from fissile.data.clock import database_now",
        "from apps.orders.models import OrdersOutbox",
        f"by = datetime.fromisoformat(OrdersOutbox.objects.get(id='{request}').payload['answer_by'])",
        "while database_now('orders') <= by: time.sleep(0.05)",
        "print('true')",
    )
    scene.ask_inside("orders", "\n".join(code))


def _late_replies(scene: ShopScene) -> float:
    """Return orders' count of late replies, as Prometheus reads it."""
    page = urllib3.request("GET", f"{scene.house.house.url('orders')}/metrics").data.decode()
    labels = 'fissile_inbox_dropped{consumer="orders.from-payments",context="orders",reason="late reply"}'
    return sum(float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(labels))


PROOF.sabotaged_by(
    "confirms off, and the broker is lost",
    clause=UNCONFIRMED,
    patches={"*worker": "tests.proofs.sabotage:do_not_wait_for_confirms"},
)

PROOF.sabotaged_by(
    "requests and commands are published to everybody, as events are",
    clause=EXACTLY_ONE,
    patches={"*worker": "tests.proofs.sabotage:tell_everybody_what_is_for_one"},
)
PROOF.sabotaged_by(
    "a reply is taken for one to the latest request",
    clause=FINDS_ASKER,
    patches={"*worker": "tests.proofs.sabotage:take_a_reply_for_one_to_the_latest_request"},
)
PROOF.sabotaged_by(
    "whoever asked takes a reply at any time",
    clause=LATE,
    patches={"*worker": "tests.proofs.sabotage:take_replies_at_any_time"},
)
