"""The guided tour's first steps as functions: place an order, follow its event, see it paid, press again.

May touch: the shop through HTTP, and the local trace store to read. Each step
returns what a person should see, or raises UnexpectedReply.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from fissile.watch.trace_store import TraceStore

from .shop import Person, Reply, Shop, UnexpectedReply, eventually, expect

# An order must be on the dashboard this soon after it was accepted.
SEEN_WITHIN_SECONDS = 2.0
# Three events in a row: placed, authorised, confirmed; and the last one is what takes the money.
PAID_WITHIN_SECONDS = 4 * SEEN_WITHIN_SECONDS
# The hops of one order, in the words of their spans.
HOPS_BEHIND_THE_GATEWAY = (
    "usecase orders.place_order",
    "outbox orders",
    "relay publish orders.order_placed.v1",
    "consume bff.orders",
    "handler bff",
)
HOPS = ("gateway", *HOPS_BEHIND_THE_GATEWAY)
# On they go in the same trace: payments hears of the order, orders hears of the payment, payments of that.
HOPS_OF_THE_PAYMENT = (
    "consume payments.orders",
    "usecase payments.authorise_payment",
    "relay publish payments.payment_authorised.v1",
    "consume orders.payments",
    "usecase orders.confirm_order",
    "relay publish orders.order_confirmed.v1",
    "usecase payments.settle_confirmed_order",
)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a step showed: one sentence, and a place to look at it."""

    sentence: str
    look: str


@dataclass(kw_only=True)
class Tour:
    """One walk through a running shop. `traces` is None where the trace store is not on this machine.

    `hops` are those the order must show; a web process asked directly has no gateway's.
    """

    shop: Shop
    traces: Path | None
    hops: tuple[str, ...] = HOPS
    key: str = field(default_factory=lambda: uuid4().hex)
    person: Person | None = None
    placed: Reply | None = None

    def steps(self) -> list[tuple[str, Callable[[], Seen]]]:
        """The steps in order, each with its title."""
        return [
            ("Place an order", self.place),
            ("Follow the event", self.follow),
            ("See it paid", self.see_it_paid),
            ("Press again", self.press_again),
        ]

    def place(self) -> Seen:
        """Sign up, log in, and place an order through the gateway with a key and a token."""
        self.person = self.shop.sign_up("Rosa")
        self.placed = expect(self.shop.place(self.person, {"slate-tile": 2, "chisel": 1}, key=self.key), 201)
        total = self.placed.body["total"]
        return Seen(
            sentence=f"201, order {self.placed.body['id']}, {total['amount_minor'] / 100:.2f} {total['currency']}",
            look=f"manage.py traces show {self.placed.trace_id}",
        )

    def follow(self) -> Seen:
        """Wait for the order on the dashboard, then read its hops from the trace."""
        person, placed = self._begun()
        row = eventually(
            lambda: self.shop.seen_on_dashboard(person, placed.body["id"]),
            within_seconds=SEEN_WITHIN_SECONDS,
            what=f"order {placed.body['id']} on the dashboard",
        )
        seen = f"on the dashboard as {row['status']}, version {row['history'][-1]['version']}"
        if self.traces is None:
            return Seen(sentence=seen, look=f"{self.shop.url}/api/v1/dashboard")
        hops = self._followed(self.hops, placed.trace_id)
        return Seen(sentence=f"{seen}; {hops}", look=f"manage.py traces show {placed.trace_id}")

    def see_it_paid(self) -> Seen:
        """Wait until the order is confirmed and its money taken, then read those hops from the same trace."""
        person, placed = self._begun()
        order = placed.body["id"]
        eventually(
            lambda: self.shop.seen_on_dashboard(person, order, status="confirmed"),
            within_seconds=PAID_WITHIN_SECONDS,
            what=f"order {order} confirmed on the dashboard",
        )
        payment = eventually(
            lambda: self.shop.paid(person, order, "captured"),
            within_seconds=PAID_WITHIN_SECONDS,
            what=f"the payment of order {order} captured",
        )
        if payment["charged"] != placed.body["total"]:
            raise UnexpectedReply(f"the order is worth {placed.body['total']}, and {payment['charged']} was taken")
        taken = f"{payment['charged']['amount_minor'] / 100:.2f} {payment['charged']['currency']}"
        seen, look = f"confirmed, {taken} captured", f"{self.shop.url}/api/v1/payments/{order}"
        if self.traces is None:
            return Seen(sentence=seen, look=look)
        return Seen(sentence=f"{seen}; {self._followed(HOPS_OF_THE_PAYMENT, placed.trace_id)}", look=look)

    def press_again(self) -> Seen:
        """Send the same order under the same key."""
        person, placed = self._begun()
        again = expect(self.shop.place(person, {"slate-tile": 2, "chisel": 1}, key=self.key), 201)
        if again.body != placed.body or again.headers.get("idempotency-replayed") != "true":
            raise UnexpectedReply("the retry was not answered with the first outcome")
        listed = expect(self.shop.send("GET", "/api/v1/orders", who=person), 200).body["items"]
        if len(listed) != 1:
            raise UnexpectedReply(f"one key made {len(listed)} orders")
        return Seen(sentence="same answer, marked as replayed, one order", look=f"{self.shop.url}/api/docs/")

    def _begun(self) -> tuple[Person, Reply]:
        if self.person is None or self.placed is None:
            raise UnexpectedReply("the first step did not succeed")
        return self.person, self.placed

    def _followed(self, hops: tuple[str, ...], trace_id: str) -> str:
        """Return the hops as one line once all of them are in the trace."""
        store = TraceStore(self.traces or Path())
        eventually(
            lambda: set(hops) <= {span.name for span in store.trace(trace_id)},
            within_seconds=5,
            what=f"all of {', '.join(hops)}",
        )
        return " → ".join(hops)
