"""Rows as an operator sees them: listed and shown, never edited by hand.

What an operator may do goes through actions that call use cases, ask for a
reason and are written to the admin's log.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from fissile.watch.redaction import redact

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin


class ReadOnlyAdmin(_ModelAdmin):
    """Lists rows and shows one. Adding, changing and deleting are refused to everybody."""

    # One page is enough to see; a count over millions of outbox rows is not.
    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Refuse; viewing is another permission."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Refuse."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Allow those who may view these rows, and those who may operate on them."""
        return super().has_view_permission(request, obj) or self.has_operate_permission(request)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """True if actions on these rows are allowed: Django's `change` permission is what operators are given."""
        return bool(request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}"))


class ValuesFilter(admin.AllValuesFieldListFilter):
    """A filter by all values of a text, `none` for the empty one: a link without a name could not be spoken of."""

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Yield Django's choices."""
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] if choice["display"] != "" else "none"}


def shown_json(value: Any) -> SafeString:
    """Return JSON for a page: indented, secrets hidden, markup escaped."""
    text = json.dumps(redact(value), indent=2, ensure_ascii=False, sort_keys=True, default=str)
    return format_html('<pre class="json">{}</pre>', text)
