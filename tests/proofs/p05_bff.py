"""Pattern 5: one screen, one request."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from fissile.prove import Proof

from .scene import ShopScene, answered, ensure, settled

PROOF = Proof(number=5, code="bff_app, fissile.edge.composition", page="docs/patterns/5-bff.md")
IN_TIME = "with a part slow, the dashboard answers in its deadline and names what is missing"
# The screen's own deadline is 1.5 s; the rest is the way through the gateway on a busy machine.
LATEST_SECONDS = 2.5


@PROOF.clause("the dashboard is one call")
def one_call(scene: ShopScene) -> str:
    """One answer has the profile, the orders with their history, and the totals."""
    rosa = scene.known_buyer("Rosa")
    first = answered(scene.shop.place(rosa, {"slate-tile": 2}), 201).body
    second = answered(scene.shop.place(rosa, {"chisel": 1}), 201).body
    answered(scene.shop.cancel(rosa, first["id"]), 200)
    scene.on_dashboard(rosa, second["id"], status="confirmed")
    scene.on_dashboard(rosa, first["id"], status="cancelled")
    shown = answered(scene.shop.dashboard(rosa), 200).body
    ensure(shown["missing"] == [] and shown["profile"]["name"] == "Rosa", f"profile: {shown['profile']}")
    ensure([row["id"] for row in shown["orders"]] == [second["id"], first["id"]], "the orders differ")
    history = [entry["version"] for entry in shown["orders"][1]["history"]]
    # Two versions or three: it may have been confirmed before it was cancelled.
    ensure(history in ([1, 2], [1, 2, 3]), f"history {history}")
    ensure([row["status"] for row in shown["orders"]] == ["confirmed", "cancelled"], "a status differs")
    totals = shown["totals"]
    ensure(
        (totals["orders_placed"], totals["orders_cancelled"], totals["spent"]) == (2, 1, second["total"]),
        f"totals: {totals}",
    )
    return "one answer: profile, two orders with their history, totals"


@PROOF.clause("its parts are gathered below one hop of one trace")
def one_hop(scene: ShopScene) -> str:
    """Each part is a child of the screen's span, in a thread of its own."""
    scene.needs_processes()
    rosa = scene.shop.sign_up()
    trace_id = answered(scene.shop.dashboard(rosa), 200).trace_id
    wanted = {"bff.dashboard", "part profile", "part orders"}
    settled(lambda: wanted <= {one.name for one in scene.spans(trace_id)}, seconds=60, what=f"spans {wanted}")
    spans = {one.name: one for one in scene.spans(trace_id)}
    parents = {spans[name].parent_id for name in ("part profile", "part orders")}
    ensure(parents == {spans["bff.dashboard"].span_id}, "a part is not a child of the dashboard")
    return "bff.dashboard → part profile, part orders"


@contextmanager
def _slow_users(scene: ShopScene) -> Iterator[None]:
    # A process of its own is paused; beside the dashboard its data are held, so that only users' part is slow.
    if scene.is_apart("users", "bff"):
        with scene.paused(*scene.webs("users")):
            yield
    else:
        with scene.held("users", "users_user"):
            yield


@PROOF.clause(IN_TIME)
def in_time(scene: ShopScene) -> str:
    """Make users slow, then the read model; look at the clock."""
    scene.needs_processes()
    rosa = scene.known_buyer()
    order = answered(scene.shop.place(rosa), 201).body["id"]
    scene.on_dashboard(rosa, order)
    said = []
    for part, slow in {
        "profile": _slow_users(scene),
        "orders": scene.held("bff", "bff_dashboard_order"),
    }.items():
        with slow:
            began = time.monotonic()
            reply = scene.shop.dashboard(rosa)
            seconds = time.monotonic() - began
        answered(reply, 200, f"the dashboard with its {part} slow")
        ensure(seconds < LATEST_SECONDS, f"with its {part} slow it took {seconds:.1f} s")
        missing = [gap["part"] for gap in reply.body["missing"]]
        ensure(missing == [part], f"with its {part} slow, missing is {missing}")
        is_there = reply.body["orders"] if part == "profile" else reply.body["profile"]
        ensure(is_there, f"with its {part} slow the other part is not there")
        said.append(f"{part} slow: 200 after {seconds:.1f} s, missing {reply.body['missing'][0]['reason']}")
        settled(lambda: scene.shop.dashboard(rosa).body["missing"] == [], seconds=60, what="a whole dashboard again")
    return "; ".join(said)


@PROOF.clause("a part that fails is named in a 200")
def partial(scene: ShopScene) -> str:
    """Kill users' web process: refused connections fail at once."""
    scene.only_apart("users", "bff")
    rosa = scene.known_buyer()
    order = answered(scene.shop.place(rosa), 201).body["id"]
    scene.on_dashboard(rosa, order)
    users = scene.webs("users")
    for name in users:
        scene.house.processes.kill(name)
    try:
        began = time.monotonic()
        shown = answered(scene.shop.dashboard(rosa), 200, "the dashboard").body
        seconds = time.monotonic() - began
    finally:
        scene.bring_up(*users)
    ensure(shown["missing"] == [{"part": "profile", "reason": "unreachable"}], f"missing: {shown['missing']}")
    ensure([row["id"] for row in shown["orders"]] == [order], "the order is not shown")
    ensure(answered(scene.shop.dashboard(rosa), 200).body["missing"] == [], "not whole with users back")
    return f"200 after {seconds:.1f} s, profile unreachable, orders there; whole again with users back"


PROOF.sabotaged_by(
    "sequential calls without a deadline",
    clause=IN_TIME,
    # Only where the BFF is installed.
    patches=dict.fromkeys(("web", "bff-web"), "tests.proofs.sabotage:gather_one_after_the_other"),
)
