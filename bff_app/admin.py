"""The operators' view of the dashboard's read model and the BFF's inbox; nothing is changed by hand."""

from __future__ import annotations

from django.contrib import admin

from fissile.console import register_messaging, site
from fissile.console.rows import ReadOnlyAdmin

from .models import DashboardHistory, DashboardOrder, DashboardTotals


@admin.register(DashboardOrder, site=site)
class DashboardOrderAdmin(ReadOnlyAdmin):
    """Orders as dashboards show them."""

    list_display = ("order_id", "buyer_id", "status", "total_minor", "currency", "placed_at", "version")
    list_filter = ("status",)
    search_fields = ("=order_id", "=buyer_id")
    ordering = ("-placed_at",)


@admin.register(DashboardHistory, site=site)
class DashboardHistoryAdmin(ReadOnlyAdmin):
    """Every event that was applied, in turn."""

    list_display = ("id", "order_id", "version", "event", "at")
    list_filter = ("event",)
    search_fields = ("=order_id",)
    ordering = ("-id",)


@admin.register(DashboardTotals, site=site)
class DashboardTotalsAdmin(ReadOnlyAdmin):
    """Sums per buyer."""

    list_display = ("buyer_id", "placed_count", "cancelled_count", "rejected_count", "spent_minor", "currency")
    search_fields = ("=buyer_id",)


register_messaging(site, "bff")
