"""The declaration of payments: who it is, what it publishes, listens to and takes. No Django."""

from __future__ import annotations

from fissile.contexts import Context

CONTEXT = Context(
    name="payments",
    package="apps.payments",
    publishes=(
        "payments.payment_authorised.v1",
        "payments.payment_refused.v1",
        "payments.payment_captured.v1",
        "payments.payment_voided.v1",
        "payments.payment_refunded.v1",
    ),
    consumes=("orders.order_placed.v1", "orders.order_confirmed.v1", "orders.order_cancelled.v1"),
    takes={"payments.report_payment.v1": ("orders",)},
)
