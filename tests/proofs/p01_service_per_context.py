"""Pattern 1: a context lives, deploys and fails alone."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from uuid import UUID, uuid4

from apps.orders.context import CONTEXT as ORDERS
from apps.users.context import CONTEXT as USERS
from bff_app.context import CONTEXT as BFF
from bff_app.management.shop import Shop
from fissile.prove import NotOffered, Proof

from .scene import ShopScene, answered, ensure, is_problem, manage, origin, run, settled
from .trees import copied_tree, keep_only_contracts, paths_of

PROOF = Proof(
    number=1,
    code="apps/*/context.py, fissile.contexts, .importlinter",
    page="docs/patterns/1-service-per-context.md",
)
ONE_PROCESS = "users has no process of its own in the monolith; stopping it would stop the shop"
# The lazy import that no start and no test of this path would notice.
HIDDEN_IMPORT = """

def _credit_limit_straight_from_users(buyer_id: UUID) -> int:
    from apps.users.models import User

    return User.objects.get(id=buyer_id).credit_limit_minor
"""
IMPORT_RULES = "no context imports a neighbour's code"


@PROOF.clause("with users stopped, orders serves reads and known buyers' orders")
def orders_without_users(scene: ShopScene) -> str:
    """Stop both of users' processes and shop on."""
    scene.only_split(ONE_PROCESS)
    rosa = scene.known_buyer()
    before = answered(scene.shop.place(rosa), 201, "before").body
    with scene.stopped(*scene.processes_of("users")):
        answered(scene.shop.send("GET", "/api/v1/products"), 200, "the price list")
        placed = answered(scene.shop.place(rosa, {"chisel": 1}), 201, "an order").body
        answered(scene.shop.send("GET", f"/api/v1/orders/{before['id']}", who=rosa), 200, "an older order")
        listed = answered(scene.shop.send("GET", "/api/v1/orders", who=rosa), 200, "the list").body["items"]
        ensure([row["id"] for row in listed] == [placed["id"], before["id"]], f"the list has {len(listed)} orders")
        cancelled = answered(scene.shop.cancel(rosa, before["id"]), 200, "a cancellation").body
        ensure(cancelled["status"] == "cancelled", f"cancelled is {cancelled['status']}")
    return "price list, two orders, list and cancellation with both of users' processes stopped"


@PROOF.clause("with users stopped, an unknown buyer is told 503 within 2 s, and served later")
def unknown_buyer(scene: ShopScene) -> str:
    """Sign somebody up while orders does not listen, then take users away."""
    scene.only_split(ONE_PROCESS)
    key = uuid4().hex
    with scene.stopped(scene.worker("orders")):
        tom = scene.shop.sign_up("Tom")
        with scene.stopped(*scene.processes_of("users")):
            began = time.monotonic()
            refused = is_problem(scene.shop.place(tom, key=key), 503, "an unknown buyer's order")
            seconds = time.monotonic() - began
            ensure(seconds < 2, f"503 took {seconds:.2f} s")
            ensure(refused.headers.get("retry-after"), "503 says nothing of when to come back")
    answered(scene.shop.place(tom, key=key), 201, "the same request with users back")
    return f"503 {refused.body['code']} after {seconds:.2f} s; the same key later 201"


@PROOF.clause("with users stopped, the dashboard answers and names what is missing")
def dashboard_without_users(scene: ShopScene) -> str:
    """The orders are there, the profile is named as missing."""
    scene.only_split(ONE_PROCESS)
    rosa = scene.known_buyer()
    order = answered(scene.shop.place(rosa), 201).body["id"]
    scene.on_dashboard(rosa, order)
    with scene.stopped(*scene.processes_of("users")):
        shown = answered(scene.shop.dashboard(rosa), 200, "the dashboard").body
    missing = [gap["part"] for gap in shown["missing"]]
    ensure(missing == ["profile"] and shown["profile"] is None, f"missing is {missing}")
    ensure([row["id"] for row in shown["orders"]] == [order], "the order is not shown")
    return f"200, orders shown, missing: {shown['missing']}"


@PROOF.clause("the orders role runs from a tree with nothing of users but its contracts")
def orders_from_a_thin_tree(scene: ShopScene) -> str:
    """Copy the source, thin it out, and serve this house's orders from it."""
    scene.needs_processes()
    rosa = scene.known_buyer()
    order = answered(scene.shop.place(rosa), 201).body["id"]
    with copied_tree(scene.plants) as tree:
        left = keep_only_contracts(tree, "apps/users")
        for absent in ("bff_app", "gateway_app"):
            shutil.rmtree(tree / absent)
        users = {"TOPOLOGY": f"users={scene.house.house.url('users')}"}
        row = scene.row("orders-web", topology="split", extra=users | paths_of(tree))
        manage(tree, row.environment, "check", "--fail-level", "WARNING")
        scene.prepared(row, cwd=tree)
        with scene.running_also(row, cwd=tree):
            alone = Shop(url=origin(row))
            read = answered(alone.send("GET", f"/api/v1/orders/{order}", who=rosa), 200, "a read").body
            ensure(read["id"] == order, f"read {read}")
            placed = answered(alone.place(rosa), 201, "an order").body["id"]
            where = _loaded_from(tree, row.environment)
    scene.on_dashboard(rosa, placed)
    ensure(where.startswith(str(tree)), f"its code came from {where}")
    return f"check, read and order with {len(left)} files of users left: {', '.join(left)}"


def _loaded_from(tree: Path, environment: dict[str, str]) -> str:
    code = "import apps.users.contracts, sys; print(apps.users.contracts.__file__)"
    return run(["-c", code], cwd=tree, environment=environment).stdout.strip()


@PROOF.clause(IMPORT_RULES)
def import_rules(scene: ShopScene) -> str:
    """Run import-linter over a copy of the whole tree."""
    scene.needs_processes()
    linter = Path(sys.executable).with_name("lint-imports")
    if not linter.exists():
        raise NotOffered("import-linter is a tool of development; make check installs it")
    with copied_tree(scene.plants) as tree:
        done = run([str(linter), "--no-logo", "--no-cache"], cwd=tree, environment=paths_of(tree), check=False)
    broken = [line for line in done.stdout.splitlines() if "->" in line]
    ensure(done.returncode == 0, f"{'; '.join(line.strip() for line in broken[:3]) or done.stdout[-300:]}")
    return next((line for line in done.stdout.splitlines() if line.startswith("Contracts:")), "all kept")


@PROOF.clause("what is declared is what is published and consumed")
def declarations(scene: ShopScene) -> str:
    """Make every event there is, and compare outboxes and inboxes with the declarations."""
    scene.needs_processes()
    rosa = scene.known_buyer()
    answered(scene.shop.send("PATCH", "/api/v1/users/me", who=rosa, body={"name": "Rosa Luz"}), 200, "a new name")
    scene.ask_inside(
        "users",
        "from uuid import UUID; from apps.users import usecases; "
        f"usecases.change_credit_limit(UUID('{UUID(rosa.id)}'), 2_000_000); print('true')",
    )
    order = answered(scene.shop.place(rosa), 201).body["id"]
    answered(scene.shop.cancel(rosa, order), 200)
    said = []
    for context in (USERS, ORDERS):
        found = {type_ for (type_,) in scene.rows(context.name, f"SELECT DISTINCT type FROM {context.name}_outbox")}
        ensure(found == set(context.publishes), f"{context.name} declares {context.publishes}, published {found}")
        said.append(f"{context.name} published {len(found)}")
    for context in (ORDERS, BFF):
        wanted = set(context.consumes)
        heard = f"SELECT DISTINCT type FROM {context.name}_inbox WHERE state = 'applied'"
        settled(
            lambda heard=heard, name=context.name, wanted=wanted: {t for (t,) in scene.rows(name, heard)} >= wanted,
            seconds=20,
            what=f"{context.name} has applied all of {', '.join(sorted(wanted))}",
        )
        said.append(f"{context.name} applied {len(wanted)}")
    return "; ".join(said)


PROOF.sabotaged_by("orders imports users' model", clause=IMPORT_RULES, plants={"apps/orders/queries.py": HIDDEN_IMPORT})
