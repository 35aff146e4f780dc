"""Lanes of an outbox: who holds which, and holding some up on purpose.

May touch: the lane rows of one context, on that context's alias. Relays take and
renew leases in `fissile.events.relay.store`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from django.apps import apps
from django.db import transaction
from django.db.models import F

from fissile.data.clock import Clock
from fissile.data.guard import writing
from fissile.errors import Refusal

from .models import LANES, LaneRow

_log = logging.getLogger(__name__)


class NoSuchLane(Refusal):
    """An outbox has no lane of this number."""

    code = "no_such_lane"
    status = 404


@dataclass(frozen=True, kw_only=True)
class LaneStatus:
    """One lane: what waits in it and which relay holds it; `owner` is empty if none does.

    `reason` is why it is paused, or was resumed.
    """

    lane: int
    pending: int = 0
    oldest_seconds: float | None = None
    owner: str = ""
    lease_seconds: float = 0.0
    fence: int = 0
    paused: bool = False
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What one lane has not sent yet."""

    pending: int
    oldest: datetime


def lane_model_of(context: str) -> type[LaneRow]:
    """Return `<Context>Lane`; raise LookupError if the context has none."""
    return cast(type[LaneRow], apps.get_app_config(context).get_model(f"{context}lane"))


def ensure_lanes(context: str) -> None:
    """Insert the lanes that are missing, free; whoever needs them first makes them."""
    model = lane_model_of(context)
    with writing(context):
        model._default_manager.using(context).bulk_create(
            [model(lane=number) for number in range(LANES)], ignore_conflicts=True
        )


def take_away(context: str, lane: int) -> None:
    """Take a lane from its relay, in the caller's transaction: what that has in hand it can no longer mark.

    It sends those events once more; any relay may have the lane at once.
    """
    rows = lane_model_of(context)._default_manager.using(context).filter(lane=lane)
    rows.update(owner="", fence=F("fence") + 1, lease_until=Clock())


def lane_status(context: str, waiting: Mapping[int, Waiting], now: datetime) -> tuple[LaneStatus, ...]:
    """Return every lane of a context, with what waits in it; `now` is by the database's clock."""
    rows = {row.lane: row for row in lane_model_of(context)._default_manager.using(context)}
    return tuple(_status_of(number, rows.get(number), waiting.get(number), now) for number in range(LANES))


def _status_of(number: int, row: LaneRow | None, waits: Waiting | None, now: datetime) -> LaneStatus:
    left = max(0.0, (row.lease_until - now).total_seconds()) if row else 0.0
    return LaneStatus(
        lane=number,
        pending=waits.pending if waits else 0,
        oldest_seconds=max(0.0, (now - waits.oldest).total_seconds()) if waits else None,
        owner=row.owner if row and left else "",
        lease_seconds=left if row and row.owner else 0.0,
        fence=row.fence if row else 0,
        paused=bool(row and row.paused),
        reason=row.reason if row else "",
    )


def pause(
    context: str, lanes: Iterable[int] | None = None, *, reason: str, operator: str, dry_run: bool = False
) -> tuple[int, ...]:
    """Hold lanes up, all of them by default; return those that were not held up yet.

    Events are recorded all the same and wait. A batch in flight is still marked; its
    relay gives the lane back before the next one. Raise NoSuchLane.
    """
    return _set_paused(context, lanes, is_paused=True, says=f"paused by {operator}: {reason}", dry_run=dry_run)


def resume(
    context: str, lanes: Iterable[int] | None = None, *, reason: str, operator: str, dry_run: bool = False
) -> tuple[int, ...]:
    """Let paused lanes go on, all of them by default; return those that were paused. Raise NoSuchLane.

    A relay takes them at its next look, at most a second later.
    """
    return _set_paused(context, lanes, is_paused=False, says=f"resumed by {operator}: {reason}", dry_run=dry_run)


def _set_paused(
    context: str, lanes: Iterable[int] | None, *, is_paused: bool, says: str, dry_run: bool
) -> tuple[int, ...]:
    chosen = sorted(set(range(LANES) if lanes is None else lanes))
    if unknown := set(chosen) - set(range(LANES)):
        raise NoSuchLane(f"{context} has no lane {min(unknown)}; its lanes are 0 to {LANES - 1}")
    known = lane_model_of(context)._default_manager.using(context)
    if dry_run:
        paused = set(known.filter(paused=True).values_list("lane", flat=True))
        return tuple(number for number in chosen if (number in paused) != is_paused)
    ensure_lanes(context)
    rows = known.filter(lane__in=chosen, paused=not is_paused)
    with writing(context), transaction.atomic(using=context):
        # In the order of the lanes, as everybody locks them.
        changed = tuple(rows.select_for_update().order_by("lane").values_list("lane", flat=True))
        rows.filter(lane__in=changed).update(paused=is_paused, reason=says[:500])
    if changed:
        _log.warning("outbox of %s: lanes %s %s", context, ", ".join(map(str, changed)), says)
    return changed
