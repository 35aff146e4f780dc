"""The declaration of the web BFF: what it listens to and asks. It publishes and offers nothing. No Django."""

from __future__ import annotations

from fissile.contexts import Context

CONTEXT = Context(
    name="bff",
    package="bff_app",
    consumes=(
        "orders.order_placed.v1",
        "orders.order_confirmed.v1",
        "orders.order_rejected.v1",
        "orders.order_cancelled.v1",
    ),
    asks=("users.get_account",),
)
