"""Pattern 20: one story, from the click to the read model."""

from __future__ import annotations

import re
from uuid import uuid4

import urllib3

from fissile.prove import Proof
from fissile.watch.trace_store import StoredSpan

from .scene import ShopScene, answered, ensure, settled

PROOF = Proof(
    number=20,
    code="fissile.watch, fissile.carry, fissile.events.outbox",
    page="docs/patterns/20-observability.md",
)
ONE_TRACE = "one order is one trace with every hop and correct parents"
# From the read model back to the click: each hop's parent is the next one.
PLACED = (
    "relay publish orders.order_placed.v1",
    "outbox orders",
    "usecase orders.place_order",
    "POST /api/v1/orders",
    "gateway",
)
SHOWN = ("handler bff", "consume bff.orders")
# Two contexts more, and two events more, before the dashboard says that it is confirmed.
PAID = (
    "relay publish orders.order_confirmed.v1",
    "outbox orders",
    "usecase orders.confirm_order",
    "handler orders",
    "consume orders.payments",
    "relay publish payments.payment_authorised.v1",
    "outbox payments",
    "usecase payments.authorise_payment",
    "handler payments",
    "consume payments.orders",
)


@PROOF.clause(ONE_TRACE)
def one_trace(scene: ShopScene) -> str:
    """Place an order, then climb to the gateway from each of its two lines on the dashboard."""
    scene.needs_processes()
    rosa = scene.known_buyer()
    reply = answered(scene.shop.place(rosa), 201)
    scene.on_dashboard(rosa, reply.body["id"], status="confirmed")
    bff, orders, payments = (scene.worker(context) for context in ("bff", "orders", "payments"))
    placing = [orders, *[scene.web("orders")] * 3, "gateway"]
    paying = [*[orders] * 5, *[payments] * 5]
    for hops, expected in (
        ((*SHOWN, *PLACED), [bff, bff, *placing]),
        ((*SHOWN, *PAID, *PLACED), [bff, bff, *paying, *placing]),
    ):
        what = f"{' ← '.join(hops)} in one trace"
        chain = settled(lambda hops=hops: _chain(scene.spans(reply.trace_id), hops), seconds=60, what=what)
        services = [one.service for one in chain]
        ensure(services == expected, f"hops were in {services} instead of {expected}")
        starts = [one.start_ns for one in reversed(chain)]
        ensure(starts == sorted(starts), "a hop began before its parent")
        ensure(not any(one.error for one in chain), "a hop is marked as failed")
    return f"{len(chain)} hops over {len(set(services))} processes: {' → '.join(one.name for one in reversed(chain))}"


def _chain(spans: list[StoredSpan], hops: tuple[str, ...]) -> list[StoredSpan]:
    """Return spans named as `hops`, each one's parent the next and the last one's none; or nothing."""
    by_id = {one.span_id: one for one in spans}
    for last in (one for one in spans if one.name == hops[0]):
        chain = [last]
        while (parent := by_id.get(chain[-1].parent_id)) is not None:
            chain.append(parent)
        if tuple(one.name for one in chain) == hops and not chain[-1].parent_id:
            return chain
    return []


@PROOF.clause("every answer names its trace and its story")
def named(scene: ShopScene) -> str:
    """A well-formed correlation id is kept, another is replaced; refusals are named too."""
    rosa, story = scene.shop.sign_up(), f"story-{uuid4().hex[:8]}"
    good = scene.shop.send("GET", "/api/v1/products", headers={"x-correlation-id": story})
    ensure(good.headers.get("x-correlation-id") == story, f"the story became {good.headers.get('x-correlation-id')}")
    bad = scene.shop.send("GET", "/api/v1/products", headers={"x-correlation-id": "<b>" + "x" * 200})
    ensure(re.fullmatch(r"[0-9a-f-]{36}", bad.headers.get("x-correlation-id", "")), "a malformed id is kept")
    replies = {
        "an answer": good,
        "a 401": scene.shop.send("GET", "/api/v1/orders"),
        "a 404": scene.shop.send("GET", "/api/v1/nowhere"),
        "a refusal": scene.shop.place(rosa, {"moon-rock": 1}),
    }
    for name, reply in replies.items():
        ensure(re.fullmatch(r"[0-9a-f]{32}", reply.trace_id), f"{name} names no trace: {reply.headers}")
        ensure(reply.headers.get("x-correlation-id"), f"{name} names no story")
    ensure(len({reply.trace_id for reply in replies.values()}) == len(replies), "two requests share a trace")
    return f"{', '.join(replies)}: traceresponse and x-correlation-id each"


@PROOF.clause("all log lines of an order carry its id, in every process")
def log_lines(scene: ShopScene) -> str:
    """Follow one correlation id through the logs of gateway, web and workers."""
    scene.needs_processes()
    rosa, story = scene.known_buyer(), f"story-{uuid4().hex[:8]}"
    lines = {"lines": [{"sku": "chisel", "quantity": 1}]}
    told = {"x-correlation-id": story, "idempotency-key": uuid4().hex}
    reply = answered(scene.shop.send("POST", "/api/v1/orders", who=rosa, body=lines, headers=told), 201)
    scene.on_dashboard(rosa, reply.body["id"], status="confirmed")
    wanted = {"gateway", scene.web("orders"), *map(scene.worker, ("bff", "orders", "payments"))}
    found = settled(lambda: _story(scene, story, wanted), seconds=60, what=f"lines of {story} in {sorted(wanted)}")
    foreign = [
        line for line in found if line["log"] in ("gateway", scene.web("orders")) and line["trace_id"] != reply.trace_id
    ]
    ensure(not foreign, f"a line of the story is in another trace: {foreign[:1]}")
    first = f"aggregate = 'order/{reply.body['id']}' AND version = 1"
    ((event,),) = scene.rows("orders", f"SELECT id FROM orders_outbox WHERE {first}")
    ids = {str(event), reply.body["id"], reply.trace_id}
    lost = [
        line
        for line in scene.log_lines()
        if any(one in str(line) for one in ids)
        and line.get("correlation_id") != story
        and "/dashboard" not in str(line)
    ]
    ensure(not lost, f"a line about the order does not carry its story: {lost[:1]}")
    return f"{len(found)} lines in {', '.join(sorted({line['log'] for line in found}))}, none without"


def _story(scene: ShopScene, story: str, wanted: set[str]) -> list[dict[str, str]]:
    found = [line for line in scene.log_lines() if line.get("correlation_id") == story]
    return found if wanted <= {line["log"] for line in found} else []


@PROOF.clause("what waits is visible while it waits")
def figures(scene: ShopScene) -> str:
    """Read the outbox's lag at /metrics while no worker runs, and after."""
    scene.needs_processes()
    address = f"{scene.house.house.url('orders')}/metrics"
    rosa = scene.known_buyer()
    # An order of the clauses before that is confirmed only now would be counted, too.
    scene.wait_quiet()
    settled(lambda: _figure(address, "fissile_outbox_pending") == 0, seconds=60, what="nothing pending")
    with scene.stopped(*scene.workers("orders")):
        orders = [answered(scene.shop.place(rosa), 201).body["id"] for _ in range(2)]
        pending = _figure(address, "fissile_outbox_pending")
        ensure(pending == 2, f"{pending} pending instead of 2")
        settled(lambda: _figure(address, "fissile_outbox_oldest_seconds") > 0, seconds=60, what="their age")
    for order in orders:
        scene.on_dashboard(rosa, order)
    settled(lambda: _figure(address, "fissile_outbox_pending") == 0, seconds=60, what="nothing pending again")
    return "pending 0 → 2 with their age → 0"


def _figure(address: str, name: str) -> float:
    text = urllib3.request("GET", address, timeout=5.0).data.decode()
    found = re.search(rf'^{name}{{[^}}]*context="orders"[^}}]*}} (\S+)$', text, re.MULTILINE)
    ensure(found, f"/metrics has no {name} of orders")
    return float(found[1])  # type: ignore[index]


PROOF.sabotaged_by(
    "context not stored in the outbox row",
    clause=ONE_TRACE,
    patches={"*web": "tests.proofs.sabotage:forget_the_trace_in_the_outbox"},
)
