"""What people see: each accepted order once on its buyer's dashboard, with its whole story, and its payment.

May touch: the front door.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.house import RunningHouse

from .journal import Journal

# Status that an order must come to → where its payment must have ended.
PAID = {"confirmed": ("captured",), "rejected": ("refused",), "cancelled": ("voided", "refunded")}
# … and what its dashboard may tell, the versions being 1 to n; cancelled before or after its payment was heard of.
STORIES = {
    "confirmed": (["placed", "confirmed"],),
    "rejected": (["placed", "rejected"],),
    "cancelled": (["placed", "cancelled"], ["placed", "confirmed", "cancelled"]),
}


def wrongly_shown(house: RunningHouse, journal: Journal) -> Iterator[str]:
    """Yield every order that is not shown exactly once with its whole story, or whose payment ended elsewhere."""
    for person_id, person in journal.people.items():
        orders = {placed.order: placed.status for placed in journal.accepted if placed.buyer == person_id}
        house.shop.log_in(person)
        dashboard = house.shop.dashboard(person, limit=100).body
        shown: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in dashboard["orders"]:
            shown[row["id"]].append(row)
        for order, status in orders.items():
            rows = shown.pop(order, [])
            if len(rows) != 1 or not _is_told(rows[0], status):
                yield f"order {order}: expected {status}, the dashboard shows {rows}"
            payment = house.shop.payment(person, order).body
            if not _is_paid(payment, status):
                yield f"order {order} is {status}, its payment {payment}"
        yield from (f"order {stranger} was never accepted" for stranger in shown)
        if dashboard["totals"]["orders_placed"] != len(orders):
            yield f"totals of {person_id}: {dashboard['totals']} for {len(orders)} orders"


def _is_told(row: dict[str, Any], status: str) -> bool:
    history = row["history"]
    in_order = [entry["version"] for entry in history] == list(range(1, len(history) + 1))
    story = [entry["event"].removeprefix("orders.order_").removesuffix(".v1") for entry in history]
    return row["status"] == status and in_order and story in STORIES[status]


def _is_paid(payment: dict[str, Any], status: str) -> bool:
    if payment.get("status") not in PAID[status]:
        return False
    due = payment["amount"]["amount_minor"] if status == "confirmed" else 0
    return (payment["held"]["amount_minor"], payment["charged"]["amount_minor"]) == (0, due)
