"""Puts parked rows back in line, one by one, and writes down who did it and why.

May touch: inbox rows, through `fissile.events.dead_letters` only; the admin's log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.db import DatabaseError
from django.http import HttpRequest

from fissile.errors import FissileError


def replay_rows(page: Any, request: HttpRequest, rows: Sequence[Any], reason: str) -> int:
    """Replay each row; tell the operator what happened. Return how many were replayed."""
    from fissile.events import dead_letters

    done, left = 0, []
    for row in rows:
        try:
            replayed = dead_letters.replay(row.consumer, [row.pk])
        except (FissileError, DatabaseError) as wrong:
            left.append(f"{row}: {wrong}")
            continue
        if not replayed:
            left.append(f"{row}: it was no longer parked")
            continue
        done += 1
        page.log_change(request, row, f"Replayed dead letter. Was: {row.reason[:200]}. Reason: {reason}")
    if done:
        page.message_user(
            request, f"{done} dead {'letter' if done == 1 else 'letters'} put back in line.", messages.SUCCESS
        )
    for sentence in left:
        page.message_user(request, sentence, messages.WARNING)
    return done
