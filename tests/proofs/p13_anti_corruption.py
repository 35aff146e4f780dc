"""Pattern 13: foreign words stay outside.

Between contexts. Payments has no provider outside the house yet, so there is no clause of one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from uuid import uuid4

from bff_app.management.shop import Person, Reply, Shop
from deploy.local.house import Process
from fissile.prove import Proof

from . import wire
from .scene import ShopScene, answered, ensure, is_problem, json_lines, origin

PROOF = Proof(
    number=13,
    code="apps/*/adapters, bff_app/adapters, fissile.calls",
    page="docs/patterns/13-anti-corruption.md",
)
# Who asks users something.
ASKERS = ("orders", "bff")
NONSENSE = "a neighbour's answer that makes no sense is a named error, never a wrong state"
JSON = "application/json"
PROBLEM = "application/problem+json"


@PROOF.clause("the same journey over both transports gives the same answers")
def both_transports(scene: ShopScene) -> str:
    """For each asker, let one more web process reach users the other way, over the same stores; walk through both."""
    scene.needs_processes()
    with scene.stopped(*scene.workers("orders")), ExitStack() as stack:
        # Nobody has told orders of these people, so each order asks users.
        people = [scene.shop.sign_up("Rosa") for _ in range(4)]
        nobody = scene.stranger()
        here = [Shop(url=scene.house.house.url(asker)) for asker in ASKERS]
        ways = [_the_other_way(scene, asker) for asker in ASKERS]
        # By name: one monolith is the other way for both.
        rows = {row.name: row for row in ways}
        for row in rows.values():
            scene.prepared(row)
            stack.enter_context(scene.running_also(row))
        there = [Shop(url=origin(rows[row.name])) for row in ways]
        first = _walk(*here, people[:2], nobody)
        second = _walk(*there, people[2:], nobody)
    for step, answer in first.items():
        ensure(answer == second[step], f"{step}: {answer} here, {second[step]} over the other transport")
    told = ", ".join(f"{step}: {answer[0]}" for step, answer in first.items())
    near = [asker for asker in ASKERS if not scene.is_apart(asker, "users")]
    return f"{len(first)} answers alike, near and far ({told}); near in this cut: {' and '.join(near) or 'nobody'}"


def _the_other_way(scene: ShopScene, asker: str) -> Process:
    """Return a web process of this house that reaches users near where this cut reaches it far, and the reverse."""
    if scene.is_apart(asker, "users"):
        return scene.row("web", topology="monolith")
    return scene.row(f"{asker}-web", topology="split", extra={"TOPOLOGY": f"users={scene.house.house.url('users')}"})


def _walk(orders: Shop, dashboards: Shop, people: list[Person], nobody: Person) -> dict[str, Any]:
    rosa, tom = people
    return {
        "a buyer that only users know": _plain(orders.place(rosa, {"chisel": 1})),
        "above the limit that users told": _plain(orders.place(tom, {"marble-slab": 1000})),
        "somebody nobody knows": _plain(orders.place(nobody, {"chisel": 1}), nobody),
        "a dashboard with its profile": _plain(dashboards.dashboard(rosa), rosa),
        "a dashboard of nobody": _plain(dashboards.dashboard(nobody), nobody),
    }


def _plain(reply: Reply, who: Person | None = None) -> Any:
    """Return status, media type and body without what differs between two runs: ids, times, addresses of people."""
    body = {name: value for name, value in (reply.body or {}).items() if name not in ("id", "placed_at", "instance")}
    if who and isinstance(body.get("profile"), dict):
        profile = body["profile"]
        ensure((profile["id"], profile["email"]) == (who.id, who.email), "a stranger's profile")
        body["profile"] = profile["name"]
    return [reply.status, reply.headers.get("content-type"), json.dumps(body, sort_keys=True)]


def _account(who: Person, **changes: Any) -> tuple[int, str, bytes]:
    account = {
        "id": who.id, "name": "Rosa", "email": who.email, "credit_limit_minor": 1_000_000, "currency": "EUR",
    } | changes  # fmt: skip
    return 200, JSON, json.dumps({"result": {k: v for k, v in account.items() if v is not ...}}).encode()


def _nonsense(who: Person) -> dict[str, tuple[int, str, bytes]]:
    """Return answers of a neighbour that has lost its mind: (status, media type, body)."""
    return {
        "a web page": (200, "text/html", b"<h1>Welcome</h1>"),
        "half of an answer": (200, JSON, b'{"result": {"id": "'),
        "no result": (200, JSON, b"{}"),
        "a list": (200, JSON, b"[]"),
        "null": (200, JSON, b'{"result": null}'),
        "a limit with a fraction": _account(who, credit_limit_minor=1e15),
        "a limit in words": _account(who, credit_limit_minor="plenty"),
        "a missing currency": _account(who, currency=...),
        "an id that is none": _account(who, id="rosa"),
        "somebody else's account": _account(who, id=str(uuid4())),
        "an empty 204": (204, JSON, b""),
        "a problem of no known kind": (500, PROBLEM, b'{"status":500,"code":"boom"}'),
        "a page of errors": (500, "text/html", b"<h1>Oops</h1>"),
    }


@contextmanager
def _beside_a_stub(scene: ShopScene) -> Iterator[tuple[Shop, dict[str, Any], Callable[[], list[dict[str, Any]]]]]:
    """An orders process of this house whose users are a stub; `say` is what the stub answers, after `pause` seconds."""
    say: dict[str, Any] = {"answer": (404, JSON, b""), "pause": 0.0}

    class Stub(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, kind, body = say["answer"]
            time.sleep(say["pause"])
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with wire.serving(Stub) as url:
        row = scene.row("orders-web", topology="split", extra={"TOPOLOGY": f"users={url}"})
        scene.prepared(row)
        with scene.running_also(row) as processes:
            yield Shop(url=origin(row)), say, lambda: json_lines(processes.log_dir / "orders-web.log")


@PROOF.clause(NONSENSE, in_any_cut=True)
def nonsense(scene: ShopScene) -> str:
    """Put a stub in users' place and let it answer what it should not."""
    scene.needs_processes()
    rosa = scene.stranger()
    scene.wait_quiet()
    counted = [f"SELECT count(*) FROM orders_{table}" for table in ("order", "outbox", "idempotency_key")]
    before = [scene.rows("orders", sql) for sql in counted]
    told: dict[str, str] = {}
    with _beside_a_stub(scene) as (orders, say, log):
        for name, answer in _nonsense(rosa).items():
            say["answer"] = answer
            reply = orders.place(rosa, {"chisel": 1})
            ensure(reply.status != 201, f"{name}: an order was placed on it: {reply.body}")
            told[name] = is_problem(reply, 500, name).trace_id
        after = [scene.rows("orders", sql) for sql in counted]
        say["answer"] = _account(rosa)
        answered(orders.place(rosa, {"chisel": 1}), 201, "a sound answer from the same stub")
        # A stranger is told no more than 500; the name is for who reads the log.
        named = {line.get("trace_id") for line in log() if line["event"] == "broken_contract"}
    ensure(before == after, f"rows before {before}, after {after}")
    unnamed = [name for name, trace_id in told.items() if trace_id not in named]
    ensure(not unnamed, f"the log has no broken_contract for: {', '.join(unnamed)}")
    return f"{len(told)} kinds of nonsense: 500, broken_contract in the log, no row written; a sound answer: 201"


@PROOF.clause("a refusal keeps its name, and an outage is an outage", in_any_cut=True)
def refusals(scene: ShopScene) -> str:
    """Let the stub refuse, be down, and be late."""
    scene.needs_processes()
    unknown = {"status": 404, "code": "users.unknown_user", "detail": "Nobody has this id."}
    rosa = scene.stranger()
    with _beside_a_stub(scene) as (orders, say, _):
        say["answer"] = (404, PROBLEM, json.dumps(unknown).encode())
        refused = is_problem(orders.place(rosa), 403, "a person that users do not know").body["code"]
        ensure(refused == "orders.unknown_buyer", f"in our words: {refused}")
        down = {"status": 503, "code": "unreachable", "detail": "later"}
        say["answer"] = (503, PROBLEM, json.dumps(down).encode())
        is_problem(orders.place(rosa), 503, "users' database down")
        say.update(answer=_account(rosa), pause=4.0)
        began = time.monotonic()
        is_problem(orders.place(rosa), 503, "users late")
        seconds = time.monotonic() - began
    ensure(seconds < 2, f"waited {seconds:.1f} s for a late neighbour")
    return f"users.unknown_user → {refused} (403); down → 503; late → 503 after {seconds:.1f} s"


@PROOF.clause("a neighbour is never asked inside a transaction")
def inside_transaction(scene: ShopScene) -> str:
    """Ask through the adapter while a unit of work is open, near or far."""
    code = """
import json
from uuid import uuid4
from apps.orders import wiring
from fissile.data.unit_of_work import unit_of_work
found = None
try:
    with unit_of_work("orders"):
        wiring.buyers().find_buyer(uuid4())
except Exception as wrong:
    found = [type(wrong).__name__, str(wrong)]
print(json.dumps(found))
"""
    found = scene.ask_inside("orders", code)
    ensure(found and found[0] == "CallInsideTransaction", f"it was asked: {found}")
    return f"refused: {found[1]}"


@PROOF.clause("only values pass, and only for a caller that is declared, near or far")
def values_and_callers(scene: ShopScene) -> str:
    """Ask users for an account: orders with a query instead of an id, and payments, to whom users offers nothing."""
    code = """
import json
from uuid import uuid4
from django.apps import apps
from apps.users.contracts.types import Account
from fissile.calls import neighbour
def asked(caller, user_id):
    try:
        neighbour("users", caller=caller).ask("get_account", {"user_id": user_id}, returns=Account)
    except Exception as wrong:
        return [type(wrong).__name__, getattr(wrong, "code", ""), str(wrong)]
print(json.dumps(ASKED))
"""
    asked = {
        "orders": 'asked("orders", apps.get_model("orders.Order").objects.values("id"))',
        "payments": 'asked("payments", uuid4())',
    }
    found = {mine: scene.ask_inside(mine, code.replace("ASKED", call)) for mine, call in asked.items()}
    ensure(found["orders"] and found["orders"][0] == "NotByValue", f"a query passed as a value: {found['orders']}")
    ensure(found["payments"] and found["payments"][1] == "not_allowed", f"payments was heard: {found['payments']}")
    return f"refused: {found['orders'][2]} {found['payments'][2]}"


PROOF.sabotaged_by(
    "raw payload passed through",
    clause=NONSENSE,
    patches={"*web": "tests.proofs.sabotage:pass_raw_payloads_through"},
)
