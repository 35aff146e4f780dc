"""What a person can ask of the shop, as steps of a plan. Pure; the workloads put these together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from settings.contexts import CONTEXTS
from tests.topologies.plan import Writer

SKUS = ("basalt-paver", "chisel", "feather-wedge", "granite-block", "limestone-sill", "slate-tile", "stone-hammer")
# A context that takes payments gives orders a `payment_method`; this one is always refused.
HAS_PAYMENTS = "payments" in CONTEXTS
REFUSED_CARD = "test-card-refused"

_LINE = '{"lines":[{"sku":"slate-tile","quantity":%s}]}'
BAD_ORDERS: Mapping[str, bytes] = {
    "malformed JSON": b'{"lines":[',
    "no body": b"",
    "null": b"null",
    "an array": b"[]",
    "no lines": b'{"lines":[]}',
    "lines of another type": b'{"lines":"slate-tile"}',
    "an unknown field": b'{"lines":[{"sku":"slate-tile","quantity":1}],"price":1}',
    "a price from the client": b'{"lines":[{"sku":"slate-tile","quantity":1,"unit_price":1}]}',
    "quantity zero": (_LINE % "0").encode(),
    "a negative quantity": (_LINE % "-1").encode(),
    "a huge quantity": (_LINE % "1001").encode(),
    "a quantity of 5,000 digits": (_LINE % ("9" * 5000)).encode(),
    "a fraction": (_LINE % "1.5").encode(),
    "a text as quantity": (_LINE % '"1"').encode(),
    "true as quantity": (_LINE % "true").encode(),
    "not a number": (_LINE % "NaN").encode(),
    "infinity": (_LINE % "1e999").encode(),
    "an unknown SKU": b'{"lines":[{"sku":"moon-rock","quantity":1}]}',
    "a SKU with a NUL": b'{"lines":[{"sku":"slate\\u0000tile","quantity":1}]}',
    "a raw NUL": b'{"lines":[{"sku":"slate\x00tile","quantity":1}]}',
    "a lone surrogate": b'{"lines":[{"sku":"\\ud800","quantity":1}]}',
    "invalid UTF-8": b'{"lines":[{"sku":"\xff","quantity":1}]}',
    "a byte order mark": b'\xef\xbb\xbf{"lines":[{"sku":"slate-tile","quantity":1}]}',
    "the same SKU twice": b'{"lines":[{"sku":"chisel","quantity":1},{"sku":"chisel","quantity":1}]}',
    "the same field twice": b'{"lines":[{"sku":"chisel","quantity":1,"quantity":2}]}',
    "51 lines": json.dumps({"lines": [{"sku": f"s-{n}", "quantity": 1} for n in range(51)]}).encode(),
    "deep nesting": b'{"lines":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "above the credit limit": (_LINE % "1000").replace("slate-tile", "marble-slab").encode(),
    "over the size limit": b" " * 70_000 + b"{}",
}
BAD_SIGN_UPS: tuple[Mapping[str, Any], ...] = (
    {"email": "no-at-sign"},
    {"email": "a" * 300 + "@example.com"},
    {"password": "short"},
    {"password": "password123"},
    {"name": ""},
    {"name": "x" * 201},
    {"name": "bell\x07"},
    {"name": None},
    {"role": "admin"},
    {"credit_limit": 1},
)
# method, path, headers: what there is not, at the front door.
WRONG_DOORS: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("DELETE", "/api/v1/orders", {}),
    ("PUT", "/api/v1/users/me", {}),
    ("POST", "/api/v1/dashboard", {}),
    ("POST", "/api/v1/orders", {"content-type": "text/plain"}),
    ("GET", "/api/v1/orders/not-an-id", {}),
    ("GET", "/api/v1/orders?limit=0", {}),
    ("GET", "/api/v1/orders?limit=x", {}),
    ("GET", "/api/v1/orders?cursor=never", {}),
    ("GET", "/api/v1/dashboard?limit=101", {}),
    ("GET", "/api/v1/nowhere", {}),
    ("GET", "/admin/", {}),
    ("GET", "/internal/users/get_account", {}),
    ("GET", "/metrics", {}),
)
# What a player replaces by a token of this shop that has expired, or by one of another shop.
EXPIRED, FOREIGN = "<expired>", "<foreign>"
BAD_TOKENS = (None, "", "x", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", EXPIRED, FOREIGN)


@dataclass
class Person:
    """Somebody in a plan, and the numbers of the steps that made what is theirs."""

    number: int
    writer: Writer
    seed: int
    login: int | None = None
    orders: list[int] = field(default_factory=list)
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def email(self) -> str:
        """The address they sign up with."""
        return f"person-{self.number}.{self.seed}@example.com"

    @property
    def token(self) -> str | None:
        """The access token of their last log-in."""
        return None if self.login is None else f"{{{self.login}.access_token}}"

    def ask(self, what: str, method: str, path: str, **more: Any) -> int:
        """Ask as this person; return the step's number."""
        return self.writer.ask(what, method, path, who=self.number, **{"token": self.token, **more})

    def race(self, what: str, method: str, path: str, times: int, **more: Any) -> list[int]:
        """Ask the same several times at once."""
        return self.writer.race(what, method, path, times, who=self.number, **{"token": self.token, **more})

    def sign_up(self, **other: Any) -> int:
        """Sign up, or try to."""
        body = {"email": self.email, "password": self._password, "name": f"Person {self.number}", **other}
        return self.ask("sign-up", "POST", "/api/v1/users", token=None, body=body)

    def log_in(self, password: str | None = None) -> int:
        """Log in; a right password's tokens are used from now on."""
        body = {"email": self.email, "password": password or self._password}
        number = self.ask("log-in", "POST", "/api/v1/auth/token", token=None, body=body)
        if password is None:
            self.login = number
        return number

    def refresh(self, times: int = 1) -> None:
        """Use the refresh token of the last log-in."""
        body = {"refresh_token": f"{{{self.login}.refresh_token}}"}
        self.race("refresh", "POST", "/api/v1/auth/refresh", times, token=None, body=body)

    def rename(self, name: str) -> int:
        """Take another name."""
        return self.ask("rename", "PATCH", "/api/v1/users/me", body={"name": name})

    def profile(self) -> int:
        """Read the profile."""
        return self.ask("profile", "GET", "/api/v1/users/me")

    def dashboard(self, limit: int = 20, language: str = "") -> int:
        """Read the dashboard."""
        headers = {"accept-language": language} if language else {}
        return self.ask("dashboard", "GET", f"/api/v1/dashboard?limit={limit}", headers=headers)

    def place(self, lines: Mapping[str, int], *, key: str = "", times: int = 1, card: str = "") -> int:
        """Place an order under a key, several times at once if wished; return the first step's number."""
        body: dict[str, Any] = {"lines": [{"sku": sku, "quantity": n} for sku, n in lines.items()]}
        if card and HAS_PAYMENTS:
            body["payment_method"] = card
        key = key or f"key-{self.number}-{len(self.keys)}"
        self.keys[key] = body
        number = self._send(key, body, times)
        self.orders.append(number)
        return number

    def repeat(self, key: str, body: dict[str, Any] | None = None) -> int:
        """Send a key again, with the body it was first used with or with another."""
        return self._send(key, body or self.keys[key], 1)

    def _send(self, key: str, body: dict[str, Any], times: int) -> int:
        sent = {"idempotency-key": key}
        return self.race("order", "POST", "/api/v1/orders", times, body=body, headers=sent)[0]

    def place_badly(self, name: str) -> int:
        """Send one of the bad orders."""
        sent = {"idempotency-key": f"bad-{self.number}-{self.writer.count}"}
        return self.ask(f"order ({name})", "POST", "/api/v1/orders", raw=BAD_ORDERS[name], headers=sent)

    def read(self, order: int) -> int:
        """Read the order that a step placed."""
        return self.ask("reading an order", "GET", f"/api/v1/orders/{{{order}.id}}")

    def payment(self, order: int) -> None:
        """Read the payment of the order that a step placed."""
        if HAS_PAYMENTS:
            self.ask("payment", "GET", f"/api/v1/payments/{{{order}.id}}")

    def cancel(self, order: int, times: int = 1) -> int:
        """Cancel the order that a step placed."""
        return self.race("cancellation", "POST", f"/api/v1/orders/{{{order}.id}}/cancel", times)[0]

    def list_orders(self, limit: int = 20) -> None:
        """Read a page of the orders, and the one after it."""
        first = self.ask("list", "GET", f"/api/v1/orders?limit={limit}")
        self.ask("next page", "GET", f"/api/v1/orders?limit={limit}&cursor={{{first}.next_cursor}}")

    @property
    def _password(self) -> str:
        return f"walking-house-{self.number}"
