"""The public HTTP door of the web BFF, version 1: one screen, one answer."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from bff_app import queries, usecases, wiring
from fissile.edge.api.fields import money
from fissile.edge.api.operations import operation
from fissile.edge.api.views import ApiView, shown

from . import serializers


class Dashboard(ApiView):
    """Everything the first screen shows."""

    @operation(
        "bff_dashboard",
        summary="Your dashboard",
        query=serializers.DashboardQuery,
        responses={200: serializers.Dashboard},
    )
    def get(self, request: Request) -> Response:
        """Always in time: a part that is late or down is named in `missing`, and the rest is there."""
        dashboard = usecases.show_dashboard(self.user_id, limit=self.query["limit"], profiles=wiring.profiles())
        return Response(shown(serializers.Dashboard, _screen(dashboard)))


def _screen(dashboard: usecases.Dashboard) -> dict[str, Any]:
    orders = dashboard.orders
    return {
        "profile": dashboard.profile,
        "orders": [_order(order) for order in orders.shown] if orders else [],
        "totals": _totals(orders.totals) if orders else None,
        "missing": [{"part": part, "reason": reason} for part, reason in sorted(dashboard.missing.items())],
    }


def _order(order: queries.ShownOrder) -> dict[str, Any]:
    return {
        "id": order.id,
        "status": order.status,
        "total": money(order.total_minor, order.currency),
        "placed_at": order.placed_at,
        "history": order.history,
    }


def _totals(totals: queries.Totals) -> dict[str, Any]:
    return {
        "orders_placed": totals.placed,
        "orders_cancelled": totals.cancelled,
        "orders_rejected": totals.rejected,
        "spent": money(totals.spent_minor, totals.currency),
    }
