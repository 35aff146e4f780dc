"""Pattern 9: state and event commit together, or neither; and the event arrives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from uuid import uuid4

from bff_app.management.shop import Person, Reply
from fissile.prove import Proof
from tests.faults import worker_kills

from . import broker
from .scene import ShopScene, answered, ensure, settled

PROOF = Proof(
    number=9,
    code="fissile.data.unit_of_work, fissile.events.outbox, fissile.events.relay",
    page="docs/patterns/9-outbox.md",
)
ROLLED_BACK = "what was rolled back is never heard of"
ORDERS = 40
AGGREGATES = {"users": "users_user", "orders": "orders_order", "payments": "payments_payment"}


@PROOF.clause("workers killed with work in hand: every event arrives once, in order")
def killed(scene: ShopScene) -> str:
    """Kill -9 under load while events are pending, then read every buyer's dashboard."""
    journal = worker_kills.run(scene.house, orders=ORDERS, kills=1, seed=9)
    ensure(journal.kills, "no kill hit a worker with work in hand; nothing was shown")
    faults = worker_kills.faults_of(scene.house, journal)
    ensure(not faults, f"{len(faults)} faults, the first: {faults[:1]}")
    return f"{len(journal.accepted)} orders, killed {journal.kills[0]}: each order once, its versions in order"


@contextmanager
def _last_line_refused(scene: ShopScene, sku: str) -> Iterator[None]:
    """Let the database refuse an order's lines, which come after its event, as a full disk would."""
    with scene.connected("orders") as owner:
        if scene.is_real:
            owner.execute(
                "CREATE FUNCTION proof_refuse() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'refused by a proof'; END $$"
            )
            owner.execute(
                "CREATE TRIGGER proof_refuses BEFORE INSERT ON orders_order_line FOR EACH ROW "
                f"WHEN (NEW.sku = '{sku}') EXECUTE FUNCTION proof_refuse()"
            )
        else:
            owner.execute(
                f"CREATE TRIGGER proof_refuses BEFORE INSERT ON orders_order_line WHEN NEW.sku = '{sku}' "
                "BEGIN SELECT RAISE(ABORT, 'refused by a proof'); END"
            )
        try:
            yield
        finally:
            if scene.is_real:
                owner.execute("DROP TRIGGER proof_refuses ON orders_order_line")
                owner.execute("DROP FUNCTION proof_refuse()")
            else:
                owner.execute("DROP TRIGGER proof_refuses")


@PROOF.clause(ROLLED_BACK)
def rolled_back(scene: ShopScene) -> str:
    """Break transactions after their event is recorded; listen to the broker."""
    scene.needs_processes()
    rosa = scene.known_buyer()
    with broker.tapped(scene, "orders") as tap:
        with _last_line_refused(scene, "feather-wedge"):
            broken = [scene.shop.place(rosa, {"feather-wedge": 1}) for _ in range(3)]
        statuses = {reply.status for reply in broken}
        ensure(all(status >= 500 for status in statuses), f"the broken orders were answered with {statuses}")
        good = answered(scene.shop.place(rosa, {"chisel": 1}), 201).body["id"]
        tap.first_about(f"order/{good}")
        heard = {entry[1].subject for entry in tap.heard if str(entry[1].data.get("buyer_id")) == rosa.id}
    scene.on_dashboard(rosa, good)
    ghosts = heard - {f"order/{good}"}
    ensure(not ghosts, f"{len(ghosts)} orders that never came to be were published: {', '.join(sorted(ghosts))}")
    shown = [row["id"] for row in answered(scene.shop.dashboard(rosa), 200).body["orders"]]
    ensure(shown == [good], f"the dashboard shows {len(shown)} orders")
    listed = answered(scene.shop.send("GET", "/api/v1/orders", who=rosa), 200).body["items"]
    ensure([row["id"] for row in listed] == [good], "an order without its lines is there")
    return f"3 transactions broken after their event was recorded ({statuses.pop()}): none heard of"


@PROOF.clause("orders accepted while no worker runs are delivered when one is back")
def no_worker(scene: ShopScene) -> str:
    """Stop every worker, place and cancel, start them again."""
    scene.needs_processes()
    rosa = scene.known_buyer()
    with scene.stopped(*scene.house.named("*worker")):
        orders = [answered(scene.shop.place(rosa, {"chisel": 1}), 201).body["id"] for _ in range(4)]
        answered(scene.shop.cancel(rosa, orders[0]), 200)
        waiting = scene.rows("orders", "SELECT count(*) FROM orders_outbox WHERE sent_at IS NULL")
        ensure(waiting == [(5,)], f"{waiting[0][0]} events wait instead of 5")
    row = scene.on_dashboard(rosa, orders[0], status="cancelled")
    ensure([entry["version"] for entry in row["history"]] == [1, 2], f"history: {row['history']}")
    for order in orders[1:]:
        scene.on_dashboard(rosa, order)
    return "4 orders and a cancellation waited in the outbox and arrived in order"


@PROOF.clause("a relay that slept past its lease cannot mark anything")
def zombie(scene: ShopScene) -> str:
    """Pause the worker that holds the lanes, let a second one take them, wake the first."""
    scene.needs_processes()
    rosa, worker = scene.known_buyer(), scene.worker("orders")
    settled(lambda: len(_holders(scene)) == 1 and _holders(scene) != [""], seconds=60, what="one relay has all lanes")
    (first,) = _holders(scene)
    with scene.running_also(scene.row(worker)):
        with scene.paused(worker):
            old = _fences(scene, first)
            asleep = [_ordered(scene, rosa) for _ in range(3)]
            settled(lambda: not _fences(scene, first), seconds=60, what="another relay takes its lanes")
            sent = "SELECT count(*) FROM orders_outbox WHERE sent_at IS NULL"
            settled(lambda: scene.rows("orders", sent) == [(0,)], seconds=60, what="the second relay sends")
        awake = [_ordered(scene, rosa) for _ in range(3)]
        for order in (*asleep, *awake):
            scene.on_dashboard(rosa, order)
        settled(lambda: _was_fenced(scene, worker), seconds=60, what="the first relay notices that it is fenced off")
        kept = [lane for lane, fence in _fences(scene, first).items() if fence <= old.get(lane, 0)]
        ensure(not kept, f"the first relay still holds lanes {kept} under its old fences")
    totals = answered(scene.shop.dashboard(rosa), 200).body["totals"]
    ensure(totals["orders_placed"] == 6, f"totals: {totals}")
    return f"{first} slept and lost {len(old)} lanes to a second relay; on waking it was refused"


def _holders(scene: ShopScene) -> list[str]:
    return [owner for (owner,) in scene.rows("orders", "SELECT DISTINCT owner FROM orders_lane")]


def _fences(scene: ShopScene, relay: str) -> dict[int, int]:
    rows = scene.rows("orders", "SELECT lane, fence, owner FROM orders_lane")
    return {lane: fence for lane, fence, owner in rows if owner == relay}


def _ordered(scene: ShopScene, buyer: Person) -> str:
    """Place one order, again under its key while the answer is late, as 504 bids; return its id."""
    key = uuid4().hex

    def place() -> Reply | None:
        reply = scene.shop.place(buyer, {"chisel": 1}, key=key)
        return None if reply.status == 504 or reply.body.get("code") == "idempotency_key_in_use" else reply

    return str(answered(settled(place, seconds=60, what="an answer to an order"), 201, "an order").body["id"])


def _was_fenced(scene: ShopScene, worker: str) -> bool:
    return any("orders lost its lease" in str(line["event"]) for line in scene.log_lines(worker))


@PROOF.clause("the log is whole: versions 1…n of every aggregate, each sent once confirmed")
def whole_log(scene: ShopScene) -> str:
    """Read the outboxes as they stand after all of the above."""
    scene.needs_processes()
    # Not until all orders are settled: whoever was told of an order that never came to be waits for it for ever.
    settled(scene.house.is_all_sent, seconds=60, what="every event sent")
    said = []
    for context, table in AGGREGATES.items():
        # One statement sees one moment, in which each version of a row has its event.
        sums = f"(SELECT sum(version) FROM {table}), (SELECT count(*) FROM {table})"
        # What is said to one context alone is no event of a row.
        told = "aggregate NOT LIKE 'command/%' AND aggregate NOT LIKE 'reply/%'"
        rows_and_sums = f"SELECT aggregate, version, {sums} FROM {context}_outbox WHERE {told} ORDER BY 1, 2"
        events = scene.rows(context, rows_and_sums)
        ensure(events, f"{context} has told nothing")
        for aggregate, rows in groupby(events, key=lambda event: event[0]):
            versions = [version for _, version, *_ in rows]
            ensure(versions == list(range(1, len(versions) + 1)), f"{aggregate} has versions {versions}")
        *_, sum_of_versions, owned = events[0]
        ensure(sum_of_versions == len(events), f"{table}: {sum_of_versions} versions, {len(events)} events")
        said.append(f"{owned} in {table} with {len(events)} events")
    return f"{', '.join(said)}; nothing unsent"


PROOF.sabotaged_by(
    "publish before commit",
    clause=ROLLED_BACK,
    patches={"*web": "tests.proofs.sabotage:publish_before_commit"},
)
