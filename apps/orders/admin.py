"""The operators' door of orders: lists rows; actions go through use cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from fissile.console import register_messaging, site
from fissile.console.reasons import ask_reason, reason_given
from fissile.console.rows import ReadOnlyAdmin
from fissile.errors import FissileError

from . import usecases, wiring
from .domain import CLOSED, Status
from .models import BuyerCopy, Order, OrderLine, Product

if TYPE_CHECKING:
    _Inline = admin.TabularInline[OrderLine, Order]
else:
    _Inline = admin.TabularInline


class OrderLineInline(_Inline):
    """The lines of an order, as they were placed."""

    model = OrderLine
    extra = 0
    can_delete = False
    fields = ("position", "sku", "name", "quantity", "unit_price_minor")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse; viewing is another permission."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow those who may see the order."""
        return bool(request.user.has_perm("orders.view_order") or request.user.has_perm("orders.change_order"))


@admin.register(Order, site=site)
class OrderAdmin(ReadOnlyAdmin):
    """Orders; they can be cancelled, by the same rules as a buyer's, and payments asked about those that wait."""

    list_display = ("id", "buyer_id", "status", "total_minor", "currency", "placed_at", "version")
    list_filter = ("status",)
    search_fields = ("=id", "=buyer_id", "=payment_id")
    search_help_text = "an order's, a buyer's or a payment's id"
    ordering = ("-placed_at",)
    inlines = (OrderLineInline,)
    actions = ("cancel_selected", "ask_for_payment")

    @admin.action(description="Cancel selected orders", permissions=["operate"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        """Ask for a reason, then cancel each order by itself; a refusal is shown for its row and stops no other."""
        open_orders = list(queryset.exclude(status__in=CLOSED))
        if not open_orders:
            self.message_user(request, "None of the selected orders is open; nothing to cancel.", messages.WARNING)
            return None
        reason = reason_given(request)
        if reason is None:
            return ask_reason(
                self,
                request,
                rows=open_orders,
                action="cancel_selected",
                title="Cancel orders",
                says="Each is cancelled, its money given back and its buyer's dashboard told. It cannot be undone.",
                left_out=queryset.count() - len(open_orders),
            )
        cancelled = sum(self._cancel(request, order, reason) for order in open_orders)
        if cancelled:
            self.message_user(request, f"Cancelled: {cancelled}.", messages.SUCCESS)
        return None

    @admin.action(description="Ask payments about selected orders that wait", permissions=["operate"])
    def ask_for_payment(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        """Send payments a request for each order that waits for its word; the replies settle them."""
        waiting = list(queryset.filter(status=Status.PLACED))
        for order in waiting:
            usecases.ask_for_payment(order.id, payments=wiring.payments())
            self.log_change(request, order, f"Payments asked by operator {request.user}")
        if waiting:
            self.message_user(request, f"Asked about: {len(waiting)}. Look again in a moment.", messages.SUCCESS)
        else:
            self.message_user(request, "None of the selected orders waits for its payment.", messages.WARNING)

    def _cancel(self, request: HttpRequest, order: Order, reason: str) -> bool:
        said = f"by operator {request.user}: {reason}"
        try:
            usecases.cancel_order(order.id, buyer_id=order.buyer_id, reason=said)
        except FissileError as no:
            self.message_user(request, f"{order}: {no}", messages.WARNING)
            return False
        self.log_change(request, order, f"Cancelled {said}")
        return True


@admin.register(Product, site=site)
class ProductAdmin(ReadOnlyAdmin):
    """The price list."""

    list_display = ("sku", "name", "price_minor", "currency")
    search_fields = ("sku", "name")


@admin.register(BuyerCopy, site=site)
class BuyerCopyAdmin(ReadOnlyAdmin):
    """Our copy of customers, as users' events have told it."""

    list_display = ("id", "name", "credit_limit_minor", "currency", "version")
    search_fields = ("=id", "name")


register_messaging(site, "orders")
