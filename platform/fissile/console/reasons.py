"""The page between an action and its effect: how many rows, what will happen, and why it is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

LONGEST_REASON = 500
_SHORTEST_REASON = 3


def reason_given(request: HttpRequest) -> str | None:
    """Return the reason of a confirmed action, or None if it has to be asked for (again)."""
    reason = " ".join(request.POST.get("reason", "").split())
    return reason[:LONGEST_REASON] if len(reason) >= _SHORTEST_REASON else None


def ask_reason(
    page: Any,
    request: HttpRequest,
    *,
    rows: Sequence[models.Model],
    action: str,
    title: str,
    says: str,
    left_out: int = 0,
) -> HttpResponse:
    """Show what `action` is about to do to `rows` and ask why."""
    context = {
        **page.admin_site.each_context(request),
        "title": title,
        "says": says,
        "rows": rows,
        "left_out": left_out,
        "action": action,
        "opts": page.opts,
        "checkbox_name": ACTION_CHECKBOX_NAME,
        "longest": LONGEST_REASON,
        # The form came back without one.
        "is_missing": "reason" in request.POST,
    }
    return TemplateResponse(request, "fissile/console/reason.html", context)
