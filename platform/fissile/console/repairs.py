"""What an operator may do to messages, consumers and lanes, row by row, and the entry in the log for each.

May touch: outbox, lane, inbox and consumer rows, through `fissile.events` only; the admin's log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db import DatabaseError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from fissile.errors import FissileError
from fissile.events import dead_letter_repair, dead_letters, lanes, outbox_repair
from fissile.events.inbox import steering
from fissile.events.models import InboxRow

from . import trail
from .reasons import Wish, confirmed

State = InboxRow.State
# Does it to one row, for a reason and in an operator's name; returns what became of it.
Act = Callable[[Any, str, str], str]
PARKED_EVENT = Q(sent_at__isnull=True, parked_at__isnull=False)
_DONE = ("replayed", "retried", "parked", "discarded", "skipped", "paused", "resumed")

REPLAY = Wish(
    action="replay_selected",
    title="Replay dead letters",
    says="Each is tried again, in its place in the order of its aggregate. "
    "Later versions that wait behind it follow by themselves.",
    fits=Q(state=State.PARKED),
    unfit="not parked",
)
SKIP = Wish(
    action="skip_selected",
    title="Skip messages",
    says="Their effects will be missing here for good. Each must be the next version of its aggregate; "
    "the one after it follows by itself.",
    fits=~Q(state=State.APPLIED),
    unfit="applied already",
)
RETRY = Wish(
    action="retry_selected",
    title="Retry events",
    says="Each gets a new set of attempts, at once. Later versions that wait behind it follow by themselves.",
    fits=outbox_repair.IN_TROUBLE,
    unfit="sent, or in no trouble",
)
PARK = Wish(
    action="park_selected",
    title="Park events",
    says="Each is held back, with all later events of its aggregate, until somebody retries it. "
    "A relay that has it in hand may still send it.",
    fits=Q(sent_at__isnull=True, parked_at__isnull=True),
    unfit="sent or parked already",
)
DISCARD = Wish(
    action="discard_selected",
    title="Discard events",
    says="Each leaves as a tombstone: no consumer will see what it said, and later versions follow by themselves. "
    "Parked does not mean that nobody has it; an effect that was reached before stays.",
    fits=PARKED_EVENT,
    unfit="not parked",
)
PAUSE = Wish(
    action="pause_selected",
    title="Pause consumers",
    says="Within a second each stops applying. Messages are taken from its queue and stored; they wait in order.",
    fits=Q(paused=False),
    unfit="paused already",
)
RESUME = Wish(
    action="resume_selected",
    title="Resume consumers",
    says="Each applies what it has stored, in order, and goes on.",
    fits=Q(paused=True),
    unfit="not paused",
)
PAUSE_LANE = Wish(
    action="pause_selected",
    title="Pause lanes",
    says="Their events are recorded and wait, until somebody resumes the lanes. All other lanes go on.",
    fits=Q(paused=False),
    unfit="paused already",
)
RESUME_LANE = Wish(
    action="resume_selected",
    title="Resume lanes",
    says="A relay takes them within a second and sends what waits, in its order.",
    fits=Q(paused=True),
    unfit="not paused",
)


def acted(page: Any, request: HttpRequest, queryset: QuerySet[Any], wish: Wish, act: Act) -> HttpResponse | None:
    """Ask for a reason, or act on each row that the wish fits; a refusal is shown for its row and stops no other."""
    answer = confirmed(page, request, queryset, wish)
    if not isinstance(answer, tuple):
        return answer
    rows, reason = answer
    done = [row for row in rows if _done(page, request, row, reason, act)]
    if done:
        page.message_user(request, f"{wish.title}: {len(done)} done.", messages.SUCCESS)
    return None


def _done(page: Any, request: HttpRequest, row: Any, reason: str, act: Act) -> bool:
    before = row.reason
    try:
        outcome = act(row, reason, request.user.get_username())
    except (FissileError, DatabaseError) as wrong:
        page.message_user(request, f"{row}: {wrong}", messages.WARNING)
        return False
    if outcome not in _DONE:
        page.message_user(request, f"{row}: {outcome}", messages.WARNING)
        return False
    page.log_change(request, row, trail.done(outcome, before, reason))
    return True


def replay_letter(row: Any, reason: str, operator: str) -> str:
    """Give a dead letter another set of attempts."""
    letter = dead_letters.find(f"{row._meta.app_label}:{row.pk}")
    return dead_letter_repair.replay(letter, reason=reason, operator=operator)


def skip_message(row: Any, reason: str, operator: str) -> str:
    """Pass over one message."""
    return steering.skip(row.consumer, row.aggregate, row.version, reason=reason, operator=operator)


def retry_event(row: Any, reason: str, operator: str) -> str:
    """Give an event a new set of attempts."""
    (done,) = outbox_repair.retry([row], reason=reason, operator=operator)
    return done.outcome


def park_event(row: Any, reason: str, operator: str) -> str:
    """Hold an event back."""
    return outbox_repair.park(row, reason=reason, operator=operator).outcome


def discard_event(row: Any, reason: str, operator: str) -> str:
    """Give a parked event up."""
    return outbox_repair.discard(row, reason=reason, operator=operator).outcome


def pause_consumer(row: Any, reason: str, operator: str) -> str:
    """Let a consumer store without applying."""
    return steering.pause(row.name, reason=reason, operator=operator)


def resume_consumer(row: Any, reason: str, operator: str) -> str:
    """Let a consumer apply again."""
    return steering.resume(row.name, reason=reason, operator=operator)


def pause_lane(row: Any, reason: str, operator: str) -> str:
    """Hold the events of a lane back."""
    changed = lanes.pause(row._meta.app_label, [row.lane], reason=reason, operator=operator)
    return "paused" if changed else PAUSE_LANE.unfit


def resume_lane(row: Any, reason: str, operator: str) -> str:
    """Let the events of a lane go on."""
    changed = lanes.resume(row._meta.app_label, [row.lane], reason=reason, operator=operator)
    return "resumed" if changed else RESUME_LANE.unfit
