"""A person at the shop's front door: HTTP through the gateway, nothing else.

The tour, the demo command, the journeys and the proofs share this client, so that
what is shown is what is tested.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

import urllib3

T = TypeVar("T")
# Long enough for a cold start on a busy laptop; a person would have given up.
ANSWER_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer: status, lower-case headers, JSON body (None if it has none)."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def trace_id(self) -> str:
        """The trace of this request, from the `traceresponse` header."""
        parts = self.headers.get("traceresponse", "").split("-")
        return parts[1] if len(parts) == 4 else ""


@dataclass(kw_only=True)
class Person:
    """Somebody who signed up: `access_token` is what they show at the door."""

    id: str
    email: str
    password: str
    access_token: str = ""
    refresh_token: str = ""


@dataclass(kw_only=True)
class Shop:
    """The shop at `url`. Connections are kept; a reply is never raised, whatever its status."""

    url: str
    _http: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(maxsize=64, block=False, retries=False), repr=False
    )

    def send(
        self,
        method: str,
        path: str,
        *,
        who: Person | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Reply:
        """Send one request; `raw` goes out as it is, `body` as JSON. Raise urllib3's HTTPError if nobody answers."""
        sent = {"accept": "application/json"}
        if who is not None:
            sent["authorization"] = f"Bearer {who.access_token}"
        if body is not None or raw is not None:
            sent["content-type"] = "application/json"
        sent.update(headers or {})
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        answer = self._http.request(
            method, self.url + path, body=data, headers=sent, timeout=ANSWER_SECONDS, redirect=False
        )
        lower = {name.lower(): value for name, value in answer.headers.items()}
        is_json = "json" in lower.get("content-type", "")
        return Reply(status=answer.status, headers=lower, body=json.loads(answer.data) if is_json else None)

    def sign_up(self, name: str = "Rosa", *, email: str | None = None) -> Person:
        """Sign up a new person and log them in; raise UnexpectedReply."""
        email, password = email or f"{uuid4().hex}@example.com", f"walking-{uuid4().hex[:12]}"
        made = expect(
            self.send("POST", "/api/v1/users", body={"email": email, "password": password, "name": name}), 201
        )
        return self.log_in(Person(id=made.body["id"], email=email, password=password))

    def log_in(self, who: Person) -> Person:
        """Fetch new tokens for a person and keep them."""
        tokens = expect(
            self.send("POST", "/api/v1/auth/token", body={"email": who.email, "password": who.password}), 200
        ).body
        who.access_token, who.refresh_token = tokens["access_token"], tokens["refresh_token"]
        return who

    def place(
        self,
        who: Person,
        lines: Mapping[str, int] | None = None,
        *,
        key: str | None = None,
        payment_method: str | None = None,
    ) -> Reply:
        """Place an order of SKU → quantity under an Idempotency-Key; `test-card-refused` will not pay for it."""
        wanted: dict[str, Any] = {
            "lines": [{"sku": sku, "quantity": n} for sku, n in (lines or {"slate-tile": 2}).items()]
        }
        if payment_method is not None:
            wanted["payment_method"] = payment_method
        return self.send(
            "POST", "/api/v1/orders", who=who, body=wanted, headers={"idempotency-key": key or uuid4().hex}
        )

    def cancel(self, who: Person, order_id: str) -> Reply:
        """Cancel an order."""
        return self.send("POST", f"/api/v1/orders/{order_id}/cancel", who=who)

    def payment(self, who: Person, order_id: str) -> Reply:
        """Read the payment of an order; it is there a moment after the order."""
        return self.send("GET", f"/api/v1/payments/{order_id}", who=who)

    def dashboard(self, who: Person, limit: int = 20) -> Reply:
        """Read the dashboard."""
        return self.send("GET", f"/api/v1/dashboard?limit={limit}", who=who)

    def seen_on_dashboard(
        self, who: Person, order_id: str, *, versions: int = 1, status: str | None = None
    ) -> dict[str, Any] | None:
        """Return the dashboard's row of an order once it has heard `versions` events and has `status`, else None."""
        reply = self.dashboard(who, limit=100)
        rows = reply.body.get("orders", []) if reply.status == 200 else []
        row = next((row for row in rows if row["id"] == order_id and len(row["history"]) >= versions), None)
        return row if row and status in (None, row["status"]) else None

    def settled_on_dashboard(self, who: Person, order_id: str) -> dict[str, Any] | None:
        """Return the dashboard's row of an order once it is confirmed, rejected or cancelled, else None."""
        row = self.seen_on_dashboard(who, order_id)
        return row if row and row["status"] != "placed" else None

    def paid(self, who: Person, order_id: str, status: str) -> dict[str, Any] | None:
        """Return the payment of an order once it has `status`, else None."""
        reply = self.payment(who, order_id)
        return reply.body if reply.status == 200 and reply.body["status"] == status else None


class UnexpectedReply(AssertionError):
    """The shop answered something else than the step expects."""


def expect(reply: Reply, status: int) -> Reply:
    """Return the reply if it has this status; raise UnexpectedReply with what came instead."""
    if reply.status != status:
        raise UnexpectedReply(f"expected {status}, got {reply.status}: {reply.body}")
    return reply


def eventually(look: Callable[[], T | None], *, within_seconds: float, what: str) -> T:
    """Return the first truthy answer of `look`; raise UnexpectedReply after the deadline."""
    deadline = time.monotonic() + within_seconds
    while True:
        if found := look():
            return found
        if time.monotonic() > deadline:
            raise UnexpectedReply(f"not within {within_seconds:g} s: {what}")
        time.sleep(0.05)
