"""Pattern 7: a retry is safe, at the door and at the consumer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from bff_app.management.shop import Reply
from fissile.prove import Proof
from tests.broker import publish_again

from . import broker
from .scene import ShopScene, answered, ensure, is_problem, settled

PROOF = Proof(number=7, code="fissile.data.commands, fissile.events.inbox", page="docs/patterns/7-idempotency.md")
RACE = "fifty racing requests with one key make one order"
RACERS = 50
AUTHORISED, CAPTURED = "payments.payment_authorised.v1", "payments.payment_captured.v1"


@PROOF.clause(RACE)
def race(scene: ShopScene) -> str:
    """All at once; then each retries until it has an outcome."""
    rosa, key = scene.known_buyer(), uuid4().hex
    with ThreadPoolExecutor(RACERS) as crowd:
        replies = list(crowd.map(lambda _: scene.shop.place(rosa, {"chisel": 1}, key=key), range(RACERS)))
        statuses = sorted({reply.status for reply in replies})
        ensure(set(statuses) <= {201, 409}, f"answers were {statuses}")
        ensure(201 in statuses, "nobody got an order")
        ensure(
            all(reply.headers.get("retry-after") for reply in replies if reply.status == 409),
            "a 409 says nothing of when to come back",
        )
        outcomes = list(crowd.map(lambda reply: _retried(scene, rosa, key, reply), replies))
    bodies = {reply.body["id"] for reply in outcomes}
    ensure(len(bodies) == 1, f"one key made {len(bodies)} orders")
    ensure(all(reply.body == outcomes[0].body for reply in outcomes), "the answers differ")
    first = [reply for reply in replies if reply.status == 201 and "idempotency-replayed" not in reply.headers]
    ensure(len(first) == 1, f"{len(first)} answers say that they are no replay")
    listed = answered(scene.shop.send("GET", "/api/v1/orders", who=rosa), 200).body["items"]
    ensure(len(listed) == 1, f"the list has {len(listed)} orders")
    refused = sum(reply.status == 409 for reply in replies)
    return f"{RACERS} requests: {RACERS - refused} × 201, {refused} × 409; after retries {RACERS} equal answers"


def _retried(scene: ShopScene, rosa: object, key: str, reply: Reply) -> Reply:
    if reply.status == 201:
        return reply
    return settled(
        lambda: again if (again := scene.shop.place(rosa, {"chisel": 1}, key=key)).status == 201 else None,  # type: ignore[arg-type]
        seconds=60,
        what="an outcome after a 409",
    )


@PROOF.clause("a key belongs to one body and one person")
def scope(scene: ShopScene) -> str:
    """Another body is refused; another person's same key is another key; a missing one is asked for."""
    rosa, tom, key = scene.known_buyer("Rosa"), scene.known_buyer("Tom"), uuid4().hex
    first = answered(scene.shop.place(rosa, {"chisel": 1}, key=key), 201)
    other = is_problem(scene.shop.place(rosa, {"chisel": 2}, key=key), 422, "another body")
    quoted = answered(scene.shop.place(rosa, {"chisel": 1}, key=f'"{key}"'), 201, "the key in quotes")
    ensure(quoted.body == first.body, "the quoted spelling of a key is another key")
    theirs = answered(scene.shop.place(tom, {"chisel": 1}, key=key), 201, "another person")
    ensure(theirs.body["id"] != first.body["id"], "one person got another's order")
    body = {"lines": [{"sku": "chisel", "quantity": 1}]}
    without = is_problem(scene.shop.send("POST", "/api/v1/orders", who=rosa, body=body), 400, "no key")
    return f"other body 422 {other.body['code']}; other person another order; no key 400 {without.body['code']}"


@PROOF.clause("a refusal is replayed like a success")
def refusals(scene: ShopScene) -> str:
    """An order above the limit, twice under one key."""
    rosa, key = scene.known_buyer(), uuid4().hex
    first = is_problem(scene.shop.place(rosa, {"marble-slab": 1000}, key=key), 422, "above the limit")
    again = is_problem(scene.shop.place(rosa, {"marble-slab": 1000}, key=key), 422, "the retry")
    ensure(again.body == first.body, f"{first.body} then {again.body}")
    ensure(again.headers.get("idempotency-replayed") == "true", "the retry is not marked as replayed")
    return f"422 {first.body['code']} twice, the second marked as replayed"


@PROOF.clause("a replay survives the death of the web process")
def restart(scene: ShopScene) -> str:
    """Kill -9 the process that answered; a new one gives the same answer."""
    scene.needs_processes()
    rosa, key, web = scene.known_buyer(), uuid4().hex, scene.web("orders")
    first = answered(scene.shop.place(rosa, key=key), 201)
    scene.house.processes.kill(web)
    scene.bring_up(web)
    again = answered(scene.shop.place(rosa, key=key), 201, "the retry at the new process")
    ensure(again.body == first.body, "another body")
    ensure(again.headers.get("location") == first.headers.get("location"), "another Location")
    ensure(again.headers.get("idempotency-replayed") == "true", "not marked as replayed")
    return "same status, body and Location, marked as replayed"


@PROOF.clause("a message delivered twice has one effect")
def delivered_twice(scene: ShopScene) -> str:
    """Publish a message that was heard already three times more."""
    scene.needs_processes()
    rosa = scene.known_buyer()
    with broker.tapped(scene, "orders") as tap:
        order = answered(scene.shop.place(rosa, {"chisel": 1}), 201).body["id"]
        _, envelope, body = tap.first_about(f"order/{order}")
        scene.on_dashboard(rosa, order, status="confirmed")
        publish_again(scene.house, "orders", [(envelope, body)] * 3)
        copies = lambda: [one for one in tap.about(f"order/{order}") if one[1].id == envelope.id]  # noqa: E731
        settled(lambda: len(copies()) == 4, seconds=60, what="four deliveries")
    # What comes behind the copies in the same queue is shown: so they have been taken.
    later = answered(scene.shop.place(rosa, {"chisel": 1}), 201).body["id"]
    scene.on_dashboard(rosa, later, status="confirmed")
    shown = answered(scene.shop.dashboard(rosa), 200).body
    history = [[entry["version"] for entry in row["history"]] for row in shown["orders"]]
    ensure(history == [[1, 2], [1, 2]], f"histories are {history}")
    ensure(shown["totals"]["orders_placed"] == 2, f"totals: {shown['totals']}")
    kept = scene.rows("bff", f"SELECT count(*) FROM bff_inbox WHERE aggregate = 'order/{order}' AND version = 1")
    ensure(kept == [(1,)], f"{kept[0][0]} inbox rows")
    payment = answered(scene.shop.payment(rosa, order), 200).body["id"]
    log = f"SELECT type FROM payments_outbox WHERE aggregate = 'payment/{payment}' ORDER BY version"
    told = [name for (name,) in scene.rows("payments", log)]
    # Payments heard it four times too: its money was asked for once.
    ensure(told in ([AUTHORISED], [AUTHORISED, CAPTURED]), f"payments told {told}")
    return f"message {envelope.id} delivered 4 times: one inbox row, one line of history, counted once, one payment"


PROOF.sabotaged_by(
    "key stored after the transaction",
    clause=RACE,
    patches={"*web": "tests.proofs.sabotage:store_the_key_after_the_transaction"},
)
