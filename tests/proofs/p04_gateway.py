"""Pattern 4: one public door; nothing unsafe passes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from bff_app.management.shop import Person, Shop
from fissile.prove import Proof
from settings.contexts import CONTEXTS

from . import wire
from .scene import ShopScene, answered, ensure, is_problem, origin, settled

PROOF = Proof(number=4, code="fissile.edge.gateway, gateway_app/routes.py", page="docs/patterns/4-gateway.md")
FORGED_NEVER_ARRIVE = "forged identity headers never arrive"
# Who must answer what; written down here once more, so that a wrong table is noticed.
OWNERS = {
    ("GET", "/api/v1/users/me"): "users",
    ("PATCH", "/api/v1/users/me"): "users",
    ("GET", "/api/v1/products"): "orders",
    ("GET", "/api/v1/orders"): "orders",
    ("GET", "/api/v1/orders/{order}"): "orders",
    ("POST", "/api/v1/orders/{order}/cancel"): "orders",
    ("GET", "/api/v1/payments/{order}"): "payments",
    ("GET", "/api/v1/dashboard"): "bff",
}
OPERATORS = ("/admin/", "/admin/login/", "/metrics", "/internal/users/get_account", "/%61dmin/", "//admin/",
             "/api/v1/../../metrics", "/api/v1/orders/..%2f..%2f..%2fmetrics", "/admin")  # fmt: skip
FORGED_NAMES = (
    "X-User-Id", "x-user-id", "X_User_Id", "X-Forwarded-For", "X_Forwarded_For", "X-Forwarded-User", "X-Forwarded-Host",
    "X-Real-IP", "Forwarded", "True-Client-IP", "X-Authenticated-User", "X-Principal", "X-Tenant", "X-Tenant-Id",
    "Remote-User", "REMOTE_USER", "X-Remote-User", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override",
    "X-Service-Token", "X-Causation-Id", "X-Deadline-Ms", "Proxy-Authorization", "Cookie", "Via", "baggage", "Proxy",
)  # fmt: skip


@PROOF.clause("each public address is answered by its owner")
def owners(scene: ShopScene) -> str:
    """Ask at the door, then see in whose log the request stands."""
    scene.needs_processes()
    rosa = scene.known_buyer()
    order = answered(scene.shop.place(rosa), 201)
    settled(lambda: scene.shop.payment(rosa, order.body["id"]).status == 200, seconds=60, what="the order's payment")
    asked = {order.trace_id: ("POST /api/v1/orders", "orders")}
    for (method, template), owner in OWNERS.items():
        body = {"name": "Rosa"} if method == "PATCH" else None
        reply = scene.shop.send(method, template.format(order=order.body["id"]), who=rosa, body=body)
        asked[answered(reply, 200, template).trace_id] = (f"{method} {template}", owner)
    taken = {"email": rosa.email, "password": rosa.password}
    asked[answered(scene.shop.send("POST", "/api/v1/auth/token", body=taken), 200).trace_id] = ("log in", "users")
    found = settled(lambda: _answered_by(scene, set(asked)), seconds=60, what="every request in a log")
    for trace_id, (address, owner) in asked.items():
        ensure(
            found[trace_id] == [(scene.web(owner), owner)], f"{address} was answered by {found[trace_id]}, not {owner}"
        )
    return f"{len(asked)} addresses, each in its owner's log and nowhere else"


def _answered_by(scene: ShopScene, traces: set[str]) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for line in scene.log_lines(*scene.house.named("*web")):
        # A call between contexts is a request too; it is not the gateway's.
        if line["event"] == "request" and line.get("trace_id") in traces and line.get("path", "").startswith("/api/"):
            found.setdefault(line["trace_id"], []).append((line["log"], line["context"]))
    return found if set(found) == traces else {}


@contextmanager
def _recorded(scene: ShopScene) -> Iterator[tuple[wire.Recorder, str]]:
    """A second gateway like the first, in front of an upstream that writes down what it gets."""
    with wire.recorder() as upstream:
        topology = " ".join(f"{name}={upstream.url}" for name in CONTEXTS)
        row = scene.row("gateway", extra={"TOPOLOGY": topology})
        with scene.running_also(row):
            yield upstream, origin(row)


@PROOF.clause(FORGED_NEVER_ARRIVE)
def forged_headers(scene: ShopScene) -> str:
    """Send every spelling of a borrowed identity; look at what an upstream gets."""
    scene.needs_processes()
    rosa, mark = scene.shop.sign_up(), uuid4().hex
    forged = [(name, mark) for name in FORGED_NAMES]
    forged += [
        ("traceparent", f"00-{mark}-00f067aa0ba902b7-01"),
        ("tracestate", f"a={mark}"),
        ("Connection", "x-forwarded-for, x-correlation-id, traceparent"),
    ]
    with _recorded(scene) as (upstream, door):
        with_token = [*forged, ("Authorization", f"Bearer {rosa.access_token}")]
        wire.sent(door, wire.request("GET", "/api/v1/orders", with_token))
        wire.sent(door, wire.request("GET", "/api/v1/products", [*forged, ("Authorization", f"Bearer {mark}")]))
        ensure(len(upstream.arrived) == 2, f"{len(upstream.arrived)} requests arrived instead of 2")
        for path, headers in upstream.arrived:
            smuggled = [name for name, value in headers if mark in value]
            ensure(not smuggled, f"{path} arrived with {', '.join(smuggled)}")
            names = [name.lower() for name, _ in headers]
            ensure(len(names) == len(set(names)), f"{path}: a header is there twice: {sorted(names)}")
            ensure(not any("_" in name for name in names), f"{path}: an underscore in {names}")
            said = {name.lower(): value for name, value in headers}
            ensure(said.get("x-forwarded-for") == "127.0.0.1", f"x-forwarded-for is {said.get('x-forwarded-for')}")
            ensure(mark not in said["traceparent"], "the client chose the trace")
    return f"{len(forged)} forged headers sent twice, none arrived; ours say 127.0.0.1"


@PROOF.clause("over-sized requests die at the door")
def oversized(scene: ShopScene) -> str:
    """Too long a body (told and untold), address and head; then a canary."""
    big = b'{"lines":"' + b"x" * 70_000 + b'"}'
    json_type = ("Content-Type", "application/json")
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(big), big)
    login = "/api/v1/auth/token"
    tried = {
        "a body of 70 kB": (413, wire.request("POST", login, [json_type], big)),
        "the same in chunks": (
            413,
            wire.request("POST", login, [json_type, ("Transfer-Encoding", "chunked")], chunks, length=False),
        ),
        "an address of 8 kB": (414, wire.request("GET", "/api/v1/products?" + "q" * 8000)),
        "200 headers": (431, wire.request("GET", "/api/v1/products", [(f"X-{n}", "y") for n in range(200)])),
        "a head of 40 kB": (431, wire.request("GET", "/api/v1/products", [("X", "y" * 40_000)])),
        "a body nobody takes": (400, wire.request("GET", "/api/v1/products", [json_type], b"{}")),
    }
    _all_turned_away(scene, tried)
    return f"{', '.join(f'{name}: {status}' for name, (status, _) in tried.items())}; the canary passed"


@PROOF.clause("smuggled requests die at the door")
def smuggled(scene: ShopScene) -> str:
    """Requests that can be read in two ways, each with another one inside; then a canary."""
    inner = wire.request("GET", f"/api/v1/orders/{uuid4()}")
    head = [("Content-Type", "application/json")]
    chunked = ("Transfer-Encoding", "chunked")
    length = ("Content-Length", str(5 + len(inner)))
    ways = {
        "length and chunked": [*head, length, chunked],
        "chunked and length": [*head, chunked, length],
        "two lengths": [*head, ("Content-Length", "5"), length],
        "the same length twice": [*head, length, length],
        "a list of lengths": [*head, ("Content-Length", "5, 5")],
        "length with a plus": [*head, ("Content-Length", "+5")],
        "chunked twice": [*head, chunked, chunked],
        "xchunked": [*head, ("Transfer-Encoding", "xchunked")],
        "a space before the colon": [*head, ("Transfer-Encoding ", "chunked")],
        "a folded line": [*head, ("Transfer-Encoding", "\r\n chunked")],
    }
    body = b"0\r\n\r\n" + inner
    tried = {
        name: (400, wire.request("POST", "/api/v1/auth/token", way, body, length=False)) for name, way in ways.items()
    }
    _all_turned_away(scene, tried)
    return f"{len(tried)} ways refused with 400 and the connection closed; the canary passed"


def _all_turned_away(scene: ShopScene, tried: dict[str, tuple[int, bytes]]) -> None:
    before = _requests_behind(scene)
    for name, (status, request) in tried.items():
        statuses = wire.sent(scene.url, request)
        ensure(statuses == [status], f"{name}: {statuses} instead of [{status}]")
    canary = answered(scene.shop.send("GET", "/api/v1/products"), 200, "the canary")
    if scene.running is None:
        return
    settled(lambda: canary.trace_id in _requests_behind(scene), seconds=60, what="the canary behind the door")
    strangers = set(_requests_behind(scene)) - set(before) - {canary.trace_id}
    ensure(not strangers, f"{len(strangers)} of the refused requests arrived behind the door")


def _requests_behind(scene: ShopScene) -> list[str]:
    if scene.running is None:
        return []
    lines = scene.log_lines(*scene.house.named("*web"))
    return [line["trace_id"] for line in lines if line["event"] == "request" and "trace_id" in line]


@PROOF.clause("operators' and internal addresses do not exist at the door")
def operators(scene: ShopScene) -> str:
    """Ask for them in several spellings; they do exist behind it."""
    for path in OPERATORS:
        reply = scene.shop.send("GET", path)
        ensure(reply.status in (400, 404), f"{path} is answered with {reply.status}")
    if scene.running is None:
        return f"{len(OPERATORS)} spellings: 400 or 404"
    behind = Shop(url=scene.house.house.url("orders"))
    answered(behind.send("GET", "/metrics"), 200, "/metrics on the operators' listener")
    return f"{len(OPERATORS)} spellings: 400 or 404; behind the door /metrics answers 200"


@PROOF.clause("a bad token is refused at the door")
def bad_tokens(scene: ShopScene) -> str:
    """None, garbage, unsigned, changed: 401 with a challenge, and nothing arrives."""
    rosa = scene.shop.sign_up()
    header, claims, signature = rosa.access_token.split(".")
    unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0"
    # Not the last character: its low bits are no part of the signature.
    changed = ("A" if signature[9] != "A" else "B").join((signature[:9], signature[10:]))
    tokens = {
        "none": "",
        "garbage": "garbage",
        "unsigned": f"{unsigned}.{claims}.",
        "its signature changed": f"{header}.{claims}.{changed}",
        "its signature cut off": f"{header}.{claims}.",
    }
    for name, token in tokens.items():
        who = Person(id="", email="", password="", access_token=token) if token else None
        reply = is_problem(scene.shop.send("GET", "/api/v1/orders", who=who), 401, f"a token that is {name}")
        ensure("www-authenticate" in reply.headers, f"{name}: no challenge")
        ensure(reply.trace_id not in _requests_behind(scene), f"{name}: the request arrived behind the door")
    answered(scene.shop.send("GET", "/api/v1/orders", who=rosa), 200, "the good token")
    return f"401 for a token that is {', '.join(tokens)}; 200 for a good one"


PROOF.sabotaged_by(
    "header stripping off",
    clause=FORGED_NEVER_ARRIVE,
    patches={"gateway": "tests.proofs.sabotage:pass_every_header"},
)
