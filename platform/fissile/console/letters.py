"""The page of dead letters: groups, a filter, and replay or discard of what fits, after a look and a reason.

May touch: the letters' rows, through `fissile.events` only; the admin's log.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.apps import apps
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from fissile.errors import FissileError
from fissile.events import dead_letter_repair, dead_letters
from fissile.events.dead_letter_repair import DONE, PER_SECOND
from fissile.events.dead_letters import DeadLetter, Query
from fissile.events.models import InboxRow, OutboxRow
from fissile.events.stopping import Stopping

from . import trail
from .reasons import LONGEST_REASON, MOST_AT_ONCE, reason_given

# A page that takes longer looks broken, and a proxy may give it up; what is left waits for the next push.
LONGEST_SECONDS = 5.0
MOST_SHOWN = 20
# Verb → title of its page, and what is said before anything is done.
_VERBS = {
    "replay": (
        "Replay dead letters",
        "Each is tried again, in its place in the order of its aggregate. Later versions that wait behind it follow "
        "by themselves.",
    ),
    "discard": (
        "Discard dead letters",
        "Each is given up for good. A message is skipped by its consumer alone; an event leaves as a tombstone, and "
        "some consumer may have had it before it was parked. Later versions follow by themselves.",
    ),
}


class Filter(forms.Form):
    """What narrows the letters down; every field may be left empty."""

    use_required_attribute = False
    consumer = forms.CharField(required=False, max_length=255)
    cause = forms.CharField(required=False, max_length=500, label="Cause contains")
    type = forms.CharField(required=False, max_length=255, label="Event type")
    aggregate = forms.CharField(required=False, max_length=255)
    since = forms.DateTimeField(
        required=False, label="Seen since (UTC)", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    until = forms.DateTimeField(
        required=False, label="Seen before (UTC)", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    group = forms.CharField(required=False, max_length=10, widget=forms.HiddenInput)


class Pace(forms.Form):
    """How many letters a second."""

    per_second = forms.FloatField(
        label="At most so many a second", min_value=1, max_value=1000, initial=int(PER_SECOND)
    )


def urls(site: AdminSite) -> list[URLPattern]:
    """Return the addresses of the page and of its two actions."""
    return [
        path("dead-letters/", site.admin_view(Letters(site).overview), name="dead_letters"),
        path("dead-letters/<slug:verb>/", site.admin_view(Letters(site).act), name="dead_letters_act"),
    ]


class Letters:
    """The views, for one site."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site

    def overview(self, request: HttpRequest) -> HttpResponse:
        """Show the groups that fit the filter; of one group the first letters."""
        form = Filter(request.GET)
        query = self._query(request, form, "view")
        found, total = dead_letters.groups(query), dead_letters.count(query)
        shown = _given(form) if form.is_valid() else {}
        return self._page(
            request, "letters", title="Dead letters", form=form, total=total,
            groups=[(group, urlencode({**shown, "group": group.id}), self._row_url(group.example)) for group in found],
            unlisted=total - sum(group.count for group in found), asked=urlencode(shown), is_narrowed=bool(shown),
            letters=self._linked(dead_letters.letters(query, limit=MOST_SHOWN)) if "group" in shown else [],
            may_act=bool(self._tables(request, "operate")),
        )  # fmt: skip

    def act(self, request: HttpRequest, verb: str) -> HttpResponse:
        """Show what would be done to whom; with a reason, do it for a few seconds, and say what is left."""
        if verb not in _VERBS:
            raise Http404
        if not self._tables(request, "operate"):
            raise PermissionDenied
        form, pace = Filter(request.GET), Pace(request.POST if request.method == "POST" else None)
        query, reason = self._query(request, form, "operate"), reason_given(request)
        is_sure = request.method == "POST" and form.is_valid() and pace.is_valid() and reason is not None
        if is_sure and not self._do(request, verb, query, reason or "", pace.cleaned_data["per_second"]):
            return HttpResponseRedirect(reverse(f"{self._site.name}:dead_letters"))
        title, says = _VERBS[verb]
        return self._page(
            request, "letters_act", title=title, says=says, verb=verb, form=form, pace=pace,
            total=dead_letters.count(query), groups=dead_letters.groups(query)[:MOST_SHOWN],
            letters=self._linked(dead_letters.letters(query, limit=MOST_SHOWN)), asked=request.GET.urlencode(),
            longest=LONGEST_REASON, most=MOST_AT_ONCE, reason=request.POST.get("reason", ""),
            is_missing="reason" in request.POST and reason is None, is_first=request.method != "POST",
        )  # fmt: skip

    def _do(self, request: HttpRequest, verb: str, query: Query, reason: str, per_second: float) -> int:
        """Return how many letters are left."""
        before, tally, ends = dead_letters.count(query), Counter[str](), time.monotonic() + LONGEST_SECONDS
        stopping = Stopping()
        try:
            for letter_id in dead_letter_repair.paced(dead_letters.ids(query), per_second, stopping):
                tally[self._do_one(request, verb, letter_id, reason)] += 1
                if tally.total() >= MOST_AT_ONCE or time.monotonic() >= ends:
                    break
        finally:
            stopping.close()
        left = max(0, before - tally.total())
        told = ", ".join(f"{count} {outcome}" for outcome, count in tally.items()) or "no letter fits any more"
        level = messages.SUCCESS if set(tally) <= set(DONE) and tally else messages.WARNING
        rest = f" {left} are left, untouched: the same again, or manage.py deadletters {verb}." if left else ""
        self._tell(request, f"{_VERBS[verb][0]}: {told}.{rest}", level)
        return left

    def _do_one(self, request: HttpRequest, verb: str, letter_id: str, reason: str) -> str:
        act = dead_letter_repair.replay if verb == "replay" else dead_letter_repair.discard
        try:
            letter = dead_letters.find(letter_id)
            outcome: str = act(letter, reason=reason, operator=request.user.get_username())
        except (FissileError, DatabaseError) as wrong:
            self._tell(request, f"{letter_id}: {wrong}", messages.WARNING)
            return "refused"
        if outcome in DONE:
            trail.record_letter(int(request.user.pk or 0), letter, outcome, reason)
        return outcome

    def _query(self, request: HttpRequest, form: Filter, permission: str) -> Query:
        tables = self._tables(request, permission)
        if not tables:
            raise PermissionDenied
        # Nothing fits a filter that cannot be read: better than everything.
        given = _given(form, as_text=False) if form.is_valid() else {"group": "unreadable"}
        return replace(Query(**given), tables=tables)

    def _tables(self, request: HttpRequest, permission: str) -> frozenset[str]:
        return frozenset(
            model._meta.label
            for model, page in self._site._registry.items()
            if issubclass(model, InboxRow | OutboxRow) and getattr(page, f"has_{permission}_permission")(request)
        )

    def _linked(self, found: list[DeadLetter]) -> list[tuple[DeadLetter, str]]:
        return [(letter, self._row_url(letter.id)) for letter in found]

    def _row_url(self, letter_id: str) -> str:
        context, _, rest = letter_id.partition(":")
        kind = "outbox" if rest.startswith("outbox:") else "inbox"
        model = apps.get_app_config(context).get_model(f"{context}{kind}")
        place = f"{self._site.name}:{context}_{model._meta.model_name}_change"
        return reverse(place, args=[rest.rpartition(":")[2]])

    def _page(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        everything = {**self._site.each_context(request), **context}
        return TemplateResponse(request, f"fissile/console/{template}.html", everything)

    def _tell(self, request: HttpRequest, what: str, level: int) -> None:
        messages.add_message(request, level, what)


def _given(form: Filter, *, as_text: bool = True) -> dict[str, Any]:
    """Return the fields that were filled in, as they were written or as what they mean."""
    given = {name: value for name, value in form.cleaned_data.items() if value not in (None, "")}
    return {name: form.data[name] for name in given} if as_text else given
