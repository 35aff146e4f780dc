"""Tells Django that the orders context exists; label = database alias = queue prefix = role."""

from __future__ import annotations

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """The orders context."""

    name = "apps.orders"
    label = "orders"
    verbose_name = "Orders"
