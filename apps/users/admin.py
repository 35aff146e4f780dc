"""The operators' door of users: lists customers; actions go through use cases. Secrets are not shown, hashed or not."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from fissile.console import register_messaging, site
from fissile.console.rows import ReadOnlyAdmin, ValuesFilter
from fissile.errors import FissileError

from . import usecases
from .domain import LARGEST_CREDIT_LIMIT_MINOR
from .models import RefreshFamily, User


class CreditLimitForm(forms.Form):
    """The new limit, and why."""

    limit_minor = forms.IntegerField(label="Credit limit, in cents", min_value=0, max_value=LARGEST_CREDIT_LIMIT_MINOR)
    reason = forms.CharField(min_length=3, max_length=500, help_text="Kept in the log with your name.")


@admin.register(User, site=site)
class UserAdmin(ReadOnlyAdmin):
    """Customers; their credit limit can be changed, which tells the neighbours."""

    list_display = ("id", "email", "name", "credit_limit_minor", "currency", "created_at", "version")
    search_fields = ("=id", "=email", "name")
    search_help_text = "an id, an e-mail address or a part of a name"
    actions = ("change_credit_limit",)

    @admin.action(description="Change credit limit", permissions=["operate"])
    def change_credit_limit(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """Ask for limit and reason, then change each customer by itself; a refusal stops no other."""
        form = CreditLimitForm(request.POST if "confirm" in request.POST else None)
        if not form.is_valid():
            return self._ask(request, list(queryset), form)
        changed = sum(self._change(request, row, form.cleaned_data) for row in queryset)
        if changed:
            self.message_user(request, f"Changed: {changed}.", messages.SUCCESS)
        return None

    def _change(self, request: HttpRequest, row: User, wish: dict[str, Any]) -> bool:
        try:
            usecases.change_credit_limit(row.id, wish["limit_minor"])
        except FissileError as no:
            self.message_user(request, f"{row}: {no}", messages.WARNING)
            return False
        said = f"Credit limit {row.credit_limit_minor} → {wish['limit_minor']}: {wish['reason']}"
        self.log_change(request, row, said)
        return True

    def _ask(self, request: HttpRequest, rows: list[User], form: CreditLimitForm) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Change credit limit",
            "rows": rows,
            "form": form,
            "opts": self.opts,
            "checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "users/credit_limit.html", context)


@admin.register(RefreshFamily, site=site)
class RefreshFamilyAdmin(ReadOnlyAdmin):
    """Sessions of customers: when each began, and whether it was revoked."""

    list_display = ("id", "user_id", "began_at", "revoked_at", "reason")
    list_filter = (("reason", ValuesFilter),)
    search_fields = ("=id", "=user_id")


register_messaging(site, "users")
