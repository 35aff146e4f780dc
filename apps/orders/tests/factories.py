"""Things that tests of orders start from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from django.test import Client

from apps.orders import projections, queries, usecases
from apps.orders.domain import Buyer, Money, Order, Product, Wish
from apps.orders.seed import seed
from fissile.data.commands import Answer
from fissile.data.guard import writing
from fissile.trust import issue_access

PLACED_AT = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
LIMIT_MINOR = 1_000_000


def euros(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="EUR")


def a_buyer(*, limit_minor: int = LIMIT_MINOR, **facts: Any) -> Buyer:
    return Buyer(**{"id": uuid4(), "name": "Rosa", "credit_limit": euros(limit_minor)} | facts)


def prices(**cents: int) -> dict[str, Product]:
    cents = cents or {"chisel": 2_450, "slate": 1_250}
    return {sku: Product(sku=sku, name=sku.title(), price=euros(minor)) for sku, minor in cents.items()}


def wishes(**quantities: int) -> list[Wish]:
    return [Wish(sku=sku.replace("_", "-"), quantity=quantity) for sku, quantity in quantities.items()]


def a_known_buyer(*, limit_minor: int = LIMIT_MINOR) -> UUID:
    """A buyer that users' events have told us about, in a shop with its price list."""
    seed()
    buyer_id = uuid4()
    with writing("orders"):
        projections.add_buyer(buyer_id, name="Rosa", credit_limit_minor=limit_minor, currency="EUR", version=1)
    return buyer_id


def a_placed_order(buyer_id: UUID | None = None, **quantities: int) -> Order:
    """An order that went through the use case."""
    buyer_id = buyer_id or a_known_buyer()
    placed: list[Order] = []

    def render(order: Order) -> Answer:
        placed.append(order)
        return Answer(status=201, body={})

    usecases.place_order(
        wishes(**(quantities or {"slate_tile": 2})),
        buyer_id=buyer_id,
        payment_method="test-card",
        claim=None,
        buyers=FakeBuyerDirectory(),
        render=render,
    )
    return queries.get_order(placed[0].id, buyer_id=buyer_id)


def browser(buyer_id: UUID | None = None) -> Client:
    """An HTTP client, logged in as `buyer_id` if one is given."""
    return Client(headers={"authorization": f"Bearer {issue_access(buyer_id)}"} if buyer_id else {})


from .conformance_buyer_directory import FakeBuyerDirectory  # noqa: E402
