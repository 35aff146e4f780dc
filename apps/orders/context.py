"""The declaration of orders: who it is, what it publishes, listens to, asks and requests. No Django."""

from __future__ import annotations

from fissile.contexts import Context

CONTEXT = Context(
    name="orders",
    package="apps.orders",
    publishes=(
        "orders.order_placed.v1",
        "orders.order_confirmed.v1",
        "orders.order_rejected.v1",
        "orders.order_cancelled.v1",
    ),
    consumes=(
        "users.user_registered.v1",
        "users.user_renamed.v1",
        "users.credit_limit_changed.v1",
        "payments.payment_authorised.v1",
        "payments.payment_refused.v1",
    ),
    asks=("users.get_account",),
    requests=("payments.report_payment.v1",),
)
