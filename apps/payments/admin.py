"""The operators' door of payments: lists rows; actions go through use cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from fissile.console import register_messaging, site
from fissile.console.reasons import ask_reason, reason_given
from fissile.console.rows import ReadOnlyAdmin, ValuesFilter
from fissile.errors import FissileError

from . import usecases
from .domain import Status
from .models import LedgerLine, Payment

if TYPE_CHECKING:
    _Inline = admin.TabularInline[LedgerLine, Payment]
else:
    _Inline = admin.TabularInline


class LedgerLineInline(_Inline):
    """The ledger of one payment."""

    model = LedgerLine
    extra = 0
    can_delete = False
    fields = ("at", "kind", "amount_minor", "currency")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse; viewing is another permission."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow those who may see the payment."""
        return bool(request.user.has_perm("payments.view_payment") or request.user.has_perm("payments.change_payment"))


@admin.register(Payment, site=site)
class PaymentAdmin(ReadOnlyAdmin):
    """Payments; an operator may capture, void and refund, by the same rules as an order's fate does."""

    list_display = ("id", "order_id", "status", "amount_minor", "currency", "refusal_reason", "decided_at", "version")
    list_filter = ("status", ("refusal_reason", ValuesFilter))
    search_fields = ("=id", "=order_id", "=buyer_id")
    search_help_text = "a payment's, an order's or a buyer's id"
    ordering = ("-decided_at",)
    inlines = (LedgerLineInline,)
    actions = ("capture_selected", "void_selected", "refund_selected")

    @admin.action(description="Capture selected payments", permissions=["operate"])
    def capture_selected(self, request: HttpRequest, queryset: QuerySet[Payment]) -> HttpResponse | None:
        """Ask for a reason, then take what is held."""
        says = "What is held is taken from the buyer. The order stays as it is."
        return self._operate(
            request, queryset.filter(status=Status.AUTHORISED), "Capture", says, usecases.capture_payment
        )

    @admin.action(description="Void selected payments", permissions=["operate"])
    def void_selected(self, request: HttpRequest, queryset: QuerySet[Payment]) -> HttpResponse | None:
        """Ask for a reason, then let go what is held."""
        says = "What is held is let go. The order stays as it is; cancel it to call the whole off."
        return self._operate(request, queryset.filter(status=Status.AUTHORISED), "Void", says, usecases.void_payment)

    @admin.action(description="Refund selected payments", permissions=["operate"])
    def refund_selected(self, request: HttpRequest, queryset: QuerySet[Payment]) -> HttpResponse | None:
        """Ask for a reason, then give back what was taken."""
        says = "What was taken is given back. The order stays as it is; cancel it to call the whole off."
        return self._operate(request, queryset.filter(status=Status.CAPTURED), "Refund", says, usecases.refund_payment)

    def _operate(
        self, request: HttpRequest, due: QuerySet[Payment], verb: str, says: str, do: Callable[..., None]
    ) -> HttpResponse | None:
        payments = list(due)
        if not payments:
            self.message_user(request, f"{verb}: none of the selected payments can be.", messages.WARNING)
            return None
        reason = reason_given(request)
        if reason is None:
            chosen = len(request.POST.getlist(admin.helpers.ACTION_CHECKBOX_NAME))
            return ask_reason(
                self,
                request,
                rows=payments,
                action=f"{verb.lower()}_selected",
                title=f"{verb} payments",
                says=says,
                left_out=max(0, chosen - len(payments)),
            )
        done = sum(self._do(request, payment, verb, reason, do) for payment in payments)
        if done:
            self.message_user(request, f"{verb}: {done} done.", messages.SUCCESS)
        return None

    def _do(self, request: HttpRequest, payment: Payment, verb: str, reason: str, do: Callable[..., None]) -> bool:
        said = f"by operator {request.user}: {reason}"
        try:
            do(payment.order_id, reason=said)
        except FissileError as no:
            self.message_user(request, f"{payment}: {no}", messages.WARNING)
            return False
        self.log_change(request, payment, f"{verb} {said}")
        return True


@admin.register(LedgerLine, site=site)
class LedgerLineAdmin(ReadOnlyAdmin):
    """Every line of the ledger, the newest first."""

    list_display = ("id", "payment_id", "kind", "amount_minor", "currency", "at")
    list_filter = ("kind",)
    search_fields = ("=payment__id", "=payment__order_id")
    ordering = ("-id",)


register_messaging(site, "payments")
