"""Pattern 9: state and event commit together, or neither; and the event arrives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby

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


@PROOF.clause("workers killed with work in hand: every event arrives once, in order")
def killed(scene: ShopScene) -> str:
    """Kill -9 under load while events are pending, then read every buyer's dashboard."""
    journal = worker_kills.run(scene.house, orders=ORDERS, kills=1, seed=9)
    ensure(journal.kills, "no kill hit a worker with work in hand; nothing was shown")
    faults = worker_kills.faults_of(scene.house, journal)
    ensure(not faults, f"{len(faults)} faults, the first: {faults[:1]}")
    return f"{journal.accepted} orders, killed {journal.kills[0]}: each order once, its versions in order"


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
    row = scene.on_dashboard(rosa, orders[0], versions=2)
    ensure([entry["version"] for entry in row["history"]] == [1, 2], f"history: {row['history']}")
    for order in orders[1:]:
        scene.on_dashboard(rosa, order)
    return "4 orders and a cancellation waited in the outbox and arrived in order"


@PROOF.clause("a relay that slept past its lease cannot mark anything")
def zombie(scene: ShopScene) -> str:
    """Pause the worker that leads, let a second one take over, wake the first."""
    scene.needs_processes()
    rosa, worker = scene.known_buyer(), scene.worker("orders")
    lane = "SELECT owner, fence FROM orders_lane WHERE lane = 0"
    settled(lambda: scene.rows("orders", lane)[0][0].startswith(f"{worker}:"), seconds=15, what="the worker leads")
    ((first, fence),) = scene.rows("orders", lane)
    with scene.running_also(scene.row(worker)):
        with scene.paused(worker):
            asleep = [answered(scene.shop.place(rosa, {"chisel": 1}), 201).body["id"] for _ in range(3)]
            settled(lambda: scene.rows("orders", lane)[0][1] > fence, seconds=25, what="another relay takes the lease")
            sent = "SELECT count(*) FROM orders_outbox WHERE sent_at IS NULL"
            settled(lambda: scene.rows("orders", sent) == [(0,)], seconds=15, what="the second relay sends")
            ((second, next_fence),) = scene.rows("orders", lane)
        awake = [answered(scene.shop.place(rosa, {"chisel": 1}), 201).body["id"] for _ in range(3)]
        for order in (*asleep, *awake):
            scene.on_dashboard(rosa, order)
        settled(lambda: _was_fenced(scene, worker), seconds=15, what="the first relay notices that it is fenced off")
        ensure(scene.rows("orders", lane) == [(second, next_fence)], "the first relay took the lease back")
    totals = answered(scene.shop.dashboard(rosa), 200).body["totals"]
    ensure(totals["orders_placed"] == 6, f"totals: {totals}")
    return f"{first} slept, {second} took over (fence {fence} → {next_fence}); on waking the first was refused"


def _was_fenced(scene: ShopScene, worker: str) -> bool:
    return any("orders lost its lease" in str(line["event"]) for line in scene.log_lines(worker))


@PROOF.clause("the log is whole: versions 1…n of every aggregate, each sent once confirmed")
def whole_log(scene: ShopScene) -> str:
    """Read the outboxes as they stand after all of the above."""
    for context in ("users", "orders"):
        pending = f"SELECT count(*) FROM {context}_outbox WHERE sent_at IS NULL"
        settled(lambda context=context, sql=pending: scene.rows(context, sql) == [(0,)], seconds=15, what="all is sent")
    events = scene.rows("orders", "SELECT aggregate, version FROM orders_outbox ORDER BY aggregate, version")
    for aggregate, rows in groupby(events, key=lambda event: event[0]):
        versions = [version for _, version in rows]
        ensure(versions == list(range(1, len(versions) + 1)), f"{aggregate} has versions {versions}")
    owned = scene.rows("orders", "SELECT count(*), sum(version) FROM orders_order")
    ensure((owned[0][1] or 0) == len(events), f"{owned[0][1]} versions in rows, {len(events)} events in the log")
    return f"{owned[0][0]} orders, {len(events)} events, nothing unsent"


PROOF.sabotaged_by(
    "publish before commit",
    clause=ROLLED_BACK,
    patches={"*web": "tests.proofs.sabotage:publish_before_commit"},
)
