"""The page between an action and its effect: how many rows, what will happen, and why it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import models
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

LONGEST_REASON = 500
# Each is a line on the page that asks for the reason, and a transaction of its own afterwards.
MOST_AT_ONCE = 200
AT_THE_SHELL = "manage.py deadletters, outbox or inbox, each with --help"
_SHORTEST_REASON = 3


def reason_given(request: HttpRequest) -> str | None:
    """Return the reason of a confirmed action, or None if it has to be asked for (again)."""
    reason = " ".join(request.POST.get("reason", "").split())
    return reason[:LONGEST_REASON] if len(reason) >= _SHORTEST_REASON else None


@dataclass(frozen=True, kw_only=True)
class Wish:
    """An action as it is asked for: its method's name, its button, what it will do, which rows it fits.

    `unfit` says of any other row why it is left alone.
    """

    action: str
    title: str
    says: str
    fits: Q
    unfit: str


def confirmed(
    page: Any, request: HttpRequest, queryset: QuerySet[Any], wish: Wish
) -> tuple[list[Any], str] | HttpResponse | None:
    """Return the rows that the wish fits and the reason; or the page that asks for it; or None, and the page told."""
    rows, chosen = list(queryset.filter(wish.fits)[: MOST_AT_ONCE + 1]), queryset.count()
    if not rows:
        page.message_user(request, f"All of the selected rows are {wish.unfit}; nothing is done.", "warning")
        return None
    if len(rows) > MOST_AT_ONCE:
        page.message_user(request, f"At most {MOST_AT_ONCE} at once here; for more: {AT_THE_SHELL}", "warning")
        return None
    reason = reason_given(request)
    if reason is not None:
        return rows, reason
    return ask_reason(
        page, request, rows=rows, action=wish.action, title=wish.title, says=wish.says,
        left_out=chosen - len(rows), left_because=wish.unfit,
    )  # fmt: skip


def ask_reason(
    page: Any,
    request: HttpRequest,
    *,
    rows: Sequence[models.Model],
    action: str,
    title: str,
    says: str,
    left_out: int = 0,
    left_because: str = "not parked",
) -> HttpResponse:
    """Show what `action` is about to do to `rows` and ask why; of `left_out` others, say why they are left alone."""
    context = {
        **page.admin_site.each_context(request),
        "title": title,
        "says": says,
        "rows": rows,
        "left_out": left_out,
        "left_because": left_because,
        "action": action,
        "opts": page.opts,
        "checkbox_name": ACTION_CHECKBOX_NAME,
        "longest": LONGEST_REASON,
        # The form came back without one.
        "is_missing": "reason" in request.POST,
    }
    return TemplateResponse(request, "fissile/console/reason.html", context)
