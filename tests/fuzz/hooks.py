"""Schemathesis hooks and our own checks; loaded by schemathesis.toml. Knows the documents, nothing inside.

Environment: FUZZ_SKUS, what the price list has, and FUZZ_ORDERS, orders that are paid for
(both separated by blanks); FUZZ_SUCCESSES, the file that gets the id of an operation with each success.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from itertools import count
from typing import Any
from uuid import uuid4

import schemathesis
from schemathesis.core.transport import Response
from schemathesis.generation.meta import REQUEST_SHAPE_PROBES, coverage_scenario

PROBLEM_TYPE = "application/problem+json"
LONGEST_KEY = 255
SKUS = os.environ.get("FUZZ_SKUS", "").split()
ORDERS = os.environ.get("FUZZ_ORDERS", "").split()

# What a request that fits the document may still be refused for: facts no schema can state.
# Everything else, `invalid_request` above all, would be a schema that promises too much.
GOOD_REASONS: dict[str, set[str]] = {
    # Somebody has the address; which passwords are weak is a list of thousands.
    "users_sign_up": {"users.email_taken", "users.password_too_weak"},
    # Made-up credentials and tokens are nobody's.
    "users_log_in": {"users.wrong_credentials"},
    "users_refresh": {"users.refresh_refused"},
    # A SKU that looks like one but is none, one SKU on two lines, more than the buyer's credit limit.
    "orders_place": {"orders.unknown_product", "orders.invalid_lines", "orders.credit_limit_exceeded"},
    # Made-up ids and cursors.
    "orders_get": {"orders.unknown_order"},
    # Rejected, because its payment was refused.
    "orders_cancel": {"orders.unknown_order", "orders.not_cancellable"},
    "orders_list": {"orders.invalid_cursor"},
    "payments_get": {"payments.unknown_payment"},
}
_turns = count()
# Who signed up, and the sessions that were begun, in this run.
_known: deque[dict[str, str]] = deque(maxlen=50)
_sessions: deque[str] = deque(maxlen=50)


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Give valid requests what no schema can make up: a fresh key; three in four of them also facts of the shop."""
    if not _is_valid(case):
        return
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str):
        case.headers["Idempotency-Key"] = fresh(key)
    name = _operation(case)["operationId"]
    if name == "payments_get" and ORDERS and (turn := next(_turns)) % 4:
        case.path_parameters["order_id"] = ORDERS[turn % len(ORDERS)]
    helped = HELPED.get(name)
    if helped and isinstance(case.body, dict) and next(_turns) % 4:
        case.body = helped(case.body)


@schemathesis.hook
def after_call(context: schemathesis.HookContext, case: schemathesis.Case, response: Response) -> None:
    """Note which operation succeeded, and what later cases can use of it."""
    if response.status_code >= 300:
        return
    name = _operation(case)["operationId"]
    if "FUZZ_SUCCESSES" in os.environ:
        with open(os.environ["FUZZ_SUCCESSES"], "a") as notes:
            notes.write(f"{name}\n")
    if name == "users_sign_up":
        _known.append({"email": case.body["email"], "password": case.body["password"]})
    elif name in ("users_log_in", "users_refresh"):
        _sessions.append(response.json()["refresh_token"])


def fresh(key: str) -> str:
    """Return a key nobody has used, with as many of this one's characters as fit."""
    quote = '"' if key.startswith('"') else ""
    inside = key[1:-1] if quote else key
    return quote + (uuid4().hex + inside)[:LONGEST_KEY] + quote


def with_real_skus(order: dict[str, Any]) -> dict[str, Any]:
    """Return the order with the SKUs of the price list, if there are enough for its lines."""
    if len(order["lines"]) > len(SKUS):
        return order
    return {**order, "lines": [{**line, "sku": sku} for line, sku in zip(order["lines"], SKUS, strict=False)]}


def as_somebody_new(person: dict[str, Any]) -> dict[str, Any]:
    """Return the sign-up with an address nobody has and a password with enough different characters."""
    email, password = f"{uuid4().hex}.{person['email']}", "slate" + person["password"]
    return person if len(email) > 254 or len(password) > 128 else {**person, "email": email, "password": password}


def as_somebody_known(person: dict[str, Any]) -> dict[str, Any]:
    """Return the log-in of whoever signed up last."""
    return dict(_known[-1]) if _known else person


def with_a_session(tokens: dict[str, Any]) -> dict[str, Any]:
    """Return the refresh of a session that goes on; each token once, as clients do."""
    return {"refresh_token": _sessions.pop()} if _sessions else tokens


HELPED = {
    "orders_place": with_real_skus,
    "users_sign_up": as_somebody_new,
    "users_log_in": as_somebody_known,
    "users_refresh": with_a_session,
}


@schemathesis.check
def refused_for_a_good_reason(ctx: schemathesis.CheckContext, response: Response, case: schemathesis.Case) -> None:
    """A request that fits the document is refused for a written reason only."""
    if _is_valid(case) and 400 <= response.status_code < 500:
        code = response.json().get("code")
        assert code in GOOD_REASONS.get(_operation(case)["operationId"], ()), f"refused a valid request: {code}"


@schemathesis.check
def errors_are_problems(ctx: schemathesis.CheckContext, response: Response, case: schemathesis.Case) -> None:
    """Every error, whatever was sent, is an RFC 9457 problem with a code that the document names."""
    if response.status_code < 400 or response.request.method == "HEAD":
        return
    assert _media_type(response) == PROBLEM_TYPE, f"{response.status_code} is {_media_type(response)}"
    problem = response.json()
    assert problem["status"] == response.status_code
    described = _operation(case)["responses"].get(str(response.status_code), {}).get("x-problem-codes", [])
    assert problem["code"] in described, f"{response.status_code} {problem['code']} is not documented ({described})"


@schemathesis.check
def answers_have_no_extra_members(ctx: schemathesis.CheckContext, response: Response, case: schemathesis.Case) -> None:
    """A success shows what the document names and nothing else (OWASP API3, excessive data)."""
    if response.status_code >= 300 or response.request.method == "HEAD":
        return
    described = _operation(case)["responses"].get(str(response.status_code), {}).get("content", {})
    # Another status or type is for the conformance checks to see.
    schema = described.get(_media_type(response), {}).get("schema")
    extra = list(strangers(response.json(), schema, case.operation.schema.raw_schema)) if schema else []
    assert not extra, f"not in the document: {extra}"


def strangers(value: Any, schema: Any, document: Any, path: str = "") -> Iterator[str]:
    """Yield the places of members of `value` that `schema` does not name."""
    schema = resolved(schema, document)
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from strangers(item, schema.get("items", {}), document, f"{path}/{index}")
    elif isinstance(value, dict):
        known = _members(schema, document)
        for name, item in value.items():
            if name not in known:
                yield f"{path}/{name}"
            else:
                yield from strangers(item, known[name], document, f"{path}/{name}")


def resolved(schema: Any, document: Any) -> Any:
    """Return the schema that a reference within the document stands for, or the schema itself."""
    while "$ref" in schema:
        target = document
        for name in schema["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        schema = target
    return schema


def _members(schema: Any, document: Any) -> dict[str, Any]:
    found = dict(schema.get("properties", {}))
    for part in [*schema.get("allOf", ()), *schema.get("oneOf", ()), *schema.get("anyOf", ())]:
        found |= _members(resolved(part, document), document)
    return found


def _is_valid(case: schemathesis.Case) -> bool:
    return (
        case.meta is not None
        and case.meta.generation.mode.is_positive
        and coverage_scenario(case) not in REQUEST_SHAPE_PROBES
    )


def _operation(case: schemathesis.Case) -> dict[str, Any]:
    raw: dict[str, Any] = case.operation.definition.raw
    return raw


def _media_type(response: Response) -> str:
    return next(iter(response.headers.get("content-type", [""]))).partition(";")[0].strip()
