"""Tells Django that the payments context exists; label = database alias = queue prefix = role."""

from __future__ import annotations

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """The payments context."""

    name = "apps.payments"
    label = "payments"
    verbose_name = "Payments"
