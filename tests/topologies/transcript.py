"""One fixed walk through the shop, written down so that two cells can be compared.

What is compared: status, body and the headers below of every answer; every event
in the outboxes (aggregate, version, type, payload); the final rows listed in ROWS.

What is normalised, and nothing else (NORMALISED): ids become `id-1`, `id-2`… in
the order in which they are first met, so that every reference must still match;
times, tokens, cursors and key ids become a constant after their form is checked.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from bff_app.management.shop import Person, Reply, eventually, expect
from tests.house import RunningHouse

HEADERS = ("content-type", "location", "idempotency-replayed", "allow", "retry-after", "www-authenticate", "vary")
NORMALISED = {
    "uuid": re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    "time": re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?"),
    "token": re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+"),
}
SECRETS = ("access_token", "refresh_token", "next_cursor", "kid", "x", "y")
EVENTS = {
    "users": "SELECT aggregate, version, type, payload FROM users_outbox ORDER BY seq",
    "orders": "SELECT aggregate, version, type, payload FROM orders_outbox ORDER BY seq",
}
ROWS = {
    "bff": (
        "SELECT order_id, status, total_minor, currency, version FROM bff_dashboard_order ORDER BY placed_at, order_id",
        "SELECT order_id, version, event FROM bff_dashboard_history ORDER BY id",
        "SELECT buyer_id, placed_count, cancelled_count, spent_minor FROM bff_dashboard_totals ORDER BY buyer_id",
        "SELECT consumer, aggregate, version, type, state FROM bff_inbox ORDER BY aggregate, version",
    ),
    "orders": (
        "SELECT buyer_id, status, total_minor, currency, version FROM orders_order ORDER BY placed_at, id",
        "SELECT consumer, aggregate, version, type, state FROM orders_inbox ORDER BY aggregate, version",
    ),
    "users": ("SELECT name, version FROM users_user ORDER BY created_at, id",),
}


@dataclass(kw_only=True)
class Transcript:
    """What one cell answered, published and kept."""

    lines: list[str] = field(default_factory=list)
    _ids: dict[str, str] = field(default_factory=dict)

    def note(self, what: str, value: Any) -> None:
        """Write one line, normalised."""
        self.lines.append(f"{what}: {self._plain(json.dumps(value, sort_keys=True, default=str))}")

    def reply(self, what: str, reply: Reply) -> Reply:
        """Write an answer: status, headers that matter, body."""
        headers = {name: reply.headers[name] for name in HEADERS if name in reply.headers}
        self.note(what, [reply.status, headers, reply.body])
        return reply

    def _plain(self, text: str) -> str:
        for name in SECRETS:
            text = re.sub(rf'("{name}": )"[^"]+"', rf'\1"<{name}>"', text)
        text = NORMALISED["token"].sub("<token>", text)
        text = NORMALISED["time"].sub("<time>", text)
        # SQLite gives a UUID back without its dashes.
        text = re.sub(
            r'"([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})"', r'"\1-\2-\3-\4-\5"', text
        )
        return NORMALISED["uuid"].sub(lambda m: self._ids.setdefault(m[0], f"id-{len(self._ids) + 1}"), text)


def walk(house: RunningHouse) -> Transcript:
    """Walk through a fresh shop and return the transcript."""
    seen, shop = Transcript(), house.shop
    rosa, tom = _people(house, seen)
    seen.reply("products", shop.send("GET", "/api/v1/products"))
    placed = seen.reply("rosa places", shop.place(rosa, {"slate-tile": 2, "chisel": 1}, key="walk-1"))
    seen.reply("again", shop.place(rosa, {"slate-tile": 2, "chisel": 1}, key="walk-1"))
    seen.reply("other body", shop.place(rosa, {"chisel": 1}, key="walk-1"))
    seen.reply("unknown product", shop.place(rosa, {"moon-rock": 1}, key="walk-2"))
    seen.reply("above the limit", shop.place(rosa, {"marble-slab": 1000}, key="walk-3"))
    seen.reply("no key", shop.send("POST", "/api/v1/orders", who=rosa, body={"lines": []}))
    cancelled = expect(seen.reply("tom places", shop.place(tom, {"granite-block": 1}, key="walk-1")), 201)
    order = f"/api/v1/orders/{placed.body['id']}"
    seen.reply("rosa reads", shop.send("GET", order, who=rosa))
    seen.reply("tom reads hers", shop.send("GET", order, who=tom))
    seen.reply("tom cancels hers", shop.cancel(tom, placed.body["id"]))
    seen.reply("tom cancels his", shop.cancel(tom, cancelled.body["id"]))
    seen.reply("and again", shop.cancel(tom, cancelled.body["id"]))
    seen.reply("rosa lists", shop.send("GET", "/api/v1/orders", who=rosa))
    seen.reply("nobody lists", shop.send("GET", "/api/v1/orders"))
    seen.reply("wrong method", shop.send("DELETE", order, who=rosa))
    seen.reply("unknown address", shop.send("GET", "/api/v1/nowhere", who=rosa))
    seen.reply("not JSON", shop.send("POST", "/api/v1/users", raw=b"{"))
    _end(house, seen, rosa, tom, placed.body["id"], cancelled.body["id"])
    return seen


def _people(house: RunningHouse, seen: Transcript) -> tuple[Person, Person]:
    shop, people = house.shop, []
    for name in ("rosa", "tom"):
        body = {"email": f"{name}@example.com", "password": f"walking-house-{name}", "name": name.title()}
        made = seen.reply(f"{name} signs up", shop.send("POST", "/api/v1/users", body=body))
        who = Person(id=made.body["id"], email=body["email"], password=body["password"])
        people.append(shop.log_in(who))
        seen.reply(f"{name} signs up twice", shop.send("POST", "/api/v1/users", body=body))
    wrong = {"email": "rosa@example.com", "password": "not-her-password"}
    seen.reply("wrong password", shop.send("POST", "/api/v1/auth/token", body=wrong))
    seen.reply("tokens", shop.send("POST", "/api/v1/auth/refresh", body={"refresh_token": people[0].refresh_token}))
    seen.reply("reuse", shop.send("POST", "/api/v1/auth/refresh", body={"refresh_token": people[0].refresh_token}))
    seen.reply("rosa renames", shop.send("PATCH", "/api/v1/users/me", who=people[0], body={"name": "Rosa Luz"}))
    seen.reply("rosa", shop.send("GET", "/api/v1/users/me", who=people[0]))
    return people[0], people[1]


def _end(house: RunningHouse, seen: Transcript, rosa: Person, tom: Person, hers: str, his: str) -> None:
    shop = house.shop
    eventually(lambda: shop.seen_on_dashboard(rosa, hers), within_seconds=15, what="rosa's order")
    eventually(lambda: shop.seen_on_dashboard(tom, his, versions=2), within_seconds=15, what="tom's two events")
    # orders hears users' events too, the seeded people's among them.
    heard, said = "SELECT count(*) FROM orders_inbox WHERE state = 'applied'", "SELECT count(*) FROM users_outbox"
    eventually(
        lambda: house.rows("orders", heard) == house.rows("users", said),
        within_seconds=15,
        what="users' events in orders",
    )
    seen.reply("rosa's dashboard", shop.dashboard(rosa))
    seen.reply("tom's dashboard", shop.dashboard(tom))
    for alias, sql in EVENTS.items():
        for aggregate, version, type_, payload in house.rows(alias, sql):
            facts = json.loads(payload) if isinstance(payload, str) else payload
            seen.note(f"event of {alias}", [aggregate, version, type_, facts])
    for alias, queries in ROWS.items():
        for sql in queries:
            for row in house.rows(alias, sql):
                seen.note(f"row of {alias}", [str(column) for column in row])
