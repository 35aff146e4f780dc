"""Pattern 1: a context lives, deploys and fails alone."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from apps.orders.context import CONTEXT as ORDERS
from apps.payments.context import CONTEXT as PAYMENTS
from apps.users.context import CONTEXT as USERS
from bff_app.context import CONTEXT as BFF
from bff_app.management.shop import Person, Shop
from deploy.local.house import Process
from fissile.prove import NotOffered, Proof
from settings.contexts import CONTEXTS

from .scene import ShopScene, answered, ensure, is_problem, manage, origin, run, settled
from .trees import copied_tree, keep_only_contracts, paths_of

PROOF = Proof(
    number=1,
    code="apps/*/context.py, fissile.contexts, fissile.gate, .importlinter",
    page="docs/patterns/1-service-per-context.md",
)
# The lazy import that no start and no test of this path would notice.
HIDDEN_IMPORT = """

def _credit_limit_straight_from_users(buyer_id: UUID) -> int:
    from apps.users.models import User

    return User.objects.get(id=buyer_id).credit_limit_minor
"""
NO_TIES = "no context imports a neighbour's code, and the gate finds no other tie"
# Where each context can be met at the door.
DOORS = {
    "users": "/api/v1/users/me",
    "orders": "/api/v1/products",
    "bff": "/api/v1/dashboard",
    "payments": "/api/v1/payments/{order}",
}
# Django's checks without the gate's, which is asked about all of the source in a clause of its own.
ALL_BUT_THE_GATE = """
from django.core.checks.registry import registry
from django.core.management import call_command
from fissile.gate.checks import boundaries
registry.registered_checks.remove(boundaries)
call_command("check", fail_level="WARNING")
"""


@PROOF.clause("with users stopped, orders serves reads and known buyers; a stranger is told 503, and served later")
def orders_without_users(scene: ShopScene) -> str:
    """Sign somebody up while orders does not listen, then take users away and shop on."""
    scene.only_apart("users", "orders")
    rosa, key = scene.known_buyer(), uuid4().hex
    before = answered(scene.shop.place(rosa), 201, "before").body
    with scene.stopped(*scene.workers("orders")):
        tom = scene.shop.sign_up("Tom")
        with scene.stopped(*scene.webs("users"), *scene.workers("users")):
            _shop_as_before(scene, rosa, before["id"])
            began = time.monotonic()
            refused = is_problem(scene.shop.place(tom, key=key), 503, "an unknown buyer's order")
            seconds = time.monotonic() - began
    ensure(seconds < 2, f"503 took {seconds:.2f} s")
    ensure(refused.headers.get("retry-after"), "503 says nothing of when to come back")
    answered(scene.shop.place(tom, key=key), 201, "the same request with users back")
    return (
        f"a known buyer as before; a stranger 503 {refused.body['code']} after {seconds:.2f} s, the same key later 201"
    )


def _shop_as_before(scene: ShopScene, rosa: Person, before: str) -> None:
    """Read the price list, order, read and list both orders, cancel the older one."""
    answered(scene.shop.send("GET", "/api/v1/products"), 200, "the price list")
    placed = answered(scene.shop.place(rosa, {"chisel": 1}), 201, "an order").body["id"]
    answered(scene.shop.send("GET", f"/api/v1/orders/{before}", who=rosa), 200, "an older order")
    listed = answered(scene.shop.send("GET", "/api/v1/orders", who=rosa), 200, "the list").body["items"]
    ensure([row["id"] for row in listed] == [placed, before], f"the list has {len(listed)} orders")
    cancelled = answered(scene.shop.cancel(rosa, before), 200, "a cancellation").body
    ensure(cancelled["status"] == "cancelled", f"cancelled is {cancelled['status']}")


@PROOF.clause("with any one service stopped, the others do their own work, and catch up afterwards")
def others_go_on(scene: ShopScene) -> str:
    """Stop each service of this cut in turn: nobody else's door may notice, the dashboard says what is missing."""
    scene.needs_processes()
    if len(scene.groups) == 1:
        raise NotOffered("one process holds every context; stopping it would stop the shop")
    rosa = scene.known_buyer()
    order = answered(scene.shop.place(rosa), 201).body["id"]
    settled(lambda: scene.shop.paid(rosa, order, "captured"), seconds=60, what="an order paid for")
    scene.on_dashboard(rosa, order, status="confirmed")
    for group in scene.groups:
        gone = group.contexts
        with scene.stopped(*scene.webs(gone[0]), *scene.workers(gone[0])):
            for context, door in DOORS.items():
                if context in gone:
                    is_problem(scene.shop.send("GET", door.format(order=order), who=rosa), 502, f"{context}, stopped")
                else:
                    OWN_WORK[context](scene, rosa, order, gone)
    scene.wait_quiet()
    stopped = [" and ".join(group.contexts) for group in scene.groups]
    return f"{'; '.join(stopped)} stopped in turn: 502 there, the others at work, all orders settled afterwards"


def _work_of_users(scene: ShopScene, rosa: Person, order: str, gone: tuple[str, ...]) -> None:
    tom = scene.shop.sign_up("Tom")
    answered(scene.shop.send("PATCH", DOORS["users"], who=tom, body={"name": "Tomás"}), 200, f"users without {gone}")


def _work_of_orders(scene: ShopScene, rosa: Person, order: str, gone: tuple[str, ...]) -> None:
    for sku in ("chisel", "slate-tile"):
        placed = answered(scene.shop.place(rosa, {sku: 1}), 201, f"an order without {gone}").body["id"]
    answered(scene.shop.cancel(rosa, placed), 200, f"a cancellation without {gone}")
    answered(scene.shop.send("GET", f"/api/v1/orders/{order}", who=rosa), 200, f"an older order without {gone}")


def _work_of_the_dashboard(scene: ShopScene, rosa: Person, order: str, gone: tuple[str, ...]) -> None:
    shown = answered(scene.shop.dashboard(rosa, limit=100), 200, f"the dashboard without {gone}").body
    missing = [gap["part"] for gap in shown["missing"]]
    ensure(missing == (["profile"] if "users" in gone else []), f"without {gone} the dashboard misses {missing}")
    ensure((shown["profile"] is None) == ("users" in gone), f"without {gone} the profile is {shown['profile']}")
    ensure(order in [row["id"] for row in shown["orders"]], f"without {gone} an order is not shown")


def _work_of_payments(scene: ShopScene, rosa: Person, order: str, gone: tuple[str, ...]) -> None:
    read = answered(scene.shop.payment(rosa, order), 200, f"a payment without {gone}").body
    ensure(read["status"] == "captured", f"without {gone} a payment is {read['status']}")


OWN_WORK: Mapping[str, Callable[[ShopScene, Person, str, tuple[str, ...]], Any]] = {
    "users": _work_of_users,
    "orders": _work_of_orders,
    "bff": _work_of_the_dashboard,
    "payments": _work_of_payments,
}


@PROOF.clause("each context starts from a tree with nothing of its neighbours but their contracts", in_any_cut=True)
def thin_trees(scene: ShopScene) -> str:
    """Copy the source per context, thin it out, let Django check it; serve this house's orders from its tree."""
    scene.needs_processes()
    rosa = scene.known_buyer()
    order = answered(scene.shop.place(rosa), 201).body["id"]
    with ExitStack() as stack:
        trees = {context: stack.enter_context(copied_tree(scene.plants)) for context in CONTEXTS}
        left = {context: _thin_out(tree, context) for context, tree in trees.items()}
        rows = {context: _alone(scene, context, tree) for context, tree in trees.items()}
        with ThreadPoolExecutor(2) as hands:
            check = lambda name: manage(trees[name], rows[name].environment, "shell", "-c", ALL_BUT_THE_GATE)  # noqa: E731
            list(hands.map(check, CONTEXTS))
        placed, where = _served_from(scene, trees["orders"], rows["orders"], rosa, order)
    scene.on_dashboard(rosa, placed)
    ensure(where.startswith(str(trees["orders"])), f"its code came from {where}")
    return f"{len(trees)} trees checked; orders read and took an order with {len(left['orders'])} files of others left"


def _thin_out(tree: Path, context: str) -> list[str]:
    """Leave a context alone in its tree; return the files of others that are left."""
    shutil.rmtree(tree / "gateway_app")
    others = [row["package"].replace(".", "/") for name, row in CONTEXTS.items() if name != context]
    return [file for package in others for file in keep_only_contracts(tree, package)]


def _alone(scene: ShopScene, context: str, tree: Path) -> Process:
    """Return a web process of a context alone that runs from a tree, beside this house's users."""
    users = {} if context == "users" else {"TOPOLOGY": f"users={scene.house.house.url('users')}"}
    return scene.row(f"{context}-web", topology="split", extra=users | paths_of(tree))


def _served_from(scene: ShopScene, tree: Path, row: Process, rosa: Person, order: str) -> tuple[str, str]:
    """Read an order and place one at a process that runs from a tree; return the new one and where the code lies."""
    scene.prepared(row, cwd=tree)
    with scene.running_also(row, cwd=tree):
        alone = Shop(url=origin(row))
        read = answered(alone.send("GET", f"/api/v1/orders/{order}", who=rosa), 200, "a read").body
        ensure(read["id"] == order, f"read {read}")
        placed = answered(alone.place(rosa), 201, "an order").body["id"]
        code = "import apps.users.contracts; print(apps.users.contracts.__file__)"
        where = run(["-c", code], cwd=tree, environment=row.environment).stdout.strip()
    return placed, where


@PROOF.clause(NO_TIES, in_any_cut=True)
def no_ties(scene: ShopScene) -> str:
    """Run import-linter and the gate's system check over a copy of the whole tree."""
    scene.needs_processes()
    linter = Path(sys.executable).with_name("lint-imports")
    if not linter.exists():
        raise NotOffered("import-linter is a tool of development; make check installs it")
    gate = ["manage.py", "check", "--tag", "boundaries", "--fail-level", "WARNING"]
    with copied_tree(scene.plants) as tree:
        role = scene.row("web", topology="monolith", extra=paths_of(tree)).environment
        linted = run([str(linter), "--no-logo", "--no-cache"], cwd=tree, environment=paths_of(tree), check=False)
        checked = run(gate, cwd=tree, environment=role, check=False)
    broken = [line.strip() for line in linted.stdout.splitlines() if "->" in line]
    found = [line.strip() for line in checked.stderr.splitlines() if "fissile." in line]
    said = "; ".join([*broken[:3], *found[:3]]) or linted.stdout[-300:] + checked.stderr[-300:]
    ensure((linted.returncode, checked.returncode) == (0, 0), said)
    kept = next((line for line in linted.stdout.splitlines() if line.startswith("Contracts:")), "all kept")
    return f"{kept} The gate: {checked.stdout.strip()}"


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
    _every_fate_of_an_order(scene, rosa)
    said = []
    for context in (USERS, ORDERS, PAYMENTS):
        # What is said to one context alone is no event.
        told = "aggregate NOT LIKE 'command/%' AND aggregate NOT LIKE 'reply/%'"
        types = scene.rows(context.name, f"SELECT DISTINCT type FROM {context.name}_outbox WHERE {told}")
        found = {type_ for (type_,) in types}
        ensure(found == set(context.publishes), f"{context.name} declares {context.publishes}, published {found}")
        said.append(f"{context.name} published {len(found)}")
    for context in (ORDERS, PAYMENTS, BFF):
        wanted = set(context.consumes)
        heard = f"SELECT DISTINCT type FROM {context.name}_inbox WHERE state = 'applied'"
        settled(
            lambda heard=heard, name=context.name, wanted=wanted: {t for (t,) in scene.rows(name, heard)} >= wanted,
            seconds=60,
            what=f"{context.name} has applied all of {', '.join(sorted(wanted))}",
        )
        said.append(f"{context.name} applied {len(wanted)}")
    return "; ".join(said)


def _every_fate_of_an_order(scene: ShopScene, rosa: Person) -> None:
    """Have one order rejected, one cancelled before it is paid for, and one afterwards."""
    refused = answered(scene.shop.place(rosa, payment_method="test-card-refused"), 201).body["id"]
    late = answered(scene.shop.place(rosa), 201).body["id"]
    settled(lambda: scene.shop.paid(rosa, late, "captured"), seconds=60, what="an order paid for")
    answered(scene.shop.cancel(rosa, late), 200)
    with scene.stopped(*scene.workers("orders")):
        early = answered(scene.shop.place(rosa), 201).body["id"]
        answered(scene.shop.cancel(rosa, early), 200)
    for order, status in ((refused, "refused"), (late, "refunded"), (early, "voided")):
        settled(
            lambda order=order, status=status: scene.shop.paid(rosa, order, status),
            seconds=60,
            what=f"payment of {order} {status}",
        )


PROOF.sabotaged_by("orders imports users' model", clause=NO_TIES, plants={"apps/orders/queries.py": HIDDEN_IMPORT})
