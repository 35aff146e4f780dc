"""Puts parked rows back in line, one by one, and writes down who did it and why.

May touch: inbox and outbox rows, through `fissile.events.dead_letters` only; the admin's log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.db import DatabaseError
from django.http import HttpRequest

from fissile.errors import FissileError
from fissile.events import dead_letters
from fissile.events.models import OutboxRow


def replay_rows(page: Any, request: HttpRequest, rows: Sequence[Any], reason: str) -> int:
    """Replay each row; tell the operator what happened. Return how many were replayed."""
    done = 0
    for row in rows:
        before = row.reason
        try:
            letter = dead_letters.find(_letter_id(row))
            outcome = dead_letters.replay([letter], reason=reason, operator=request.user.get_username())[letter.id]
        except (FissileError, DatabaseError) as wrong:
            page.message_user(request, f"{row}: {wrong}", messages.WARNING)
            continue
        if outcome != "replayed":
            page.message_user(request, f"{row}: {outcome}", messages.WARNING)
            continue
        done += 1
        page.log_change(request, row, f"Replayed dead letter. Was: {before[:200]}. Reason: {reason}")
    if done:
        said = f"{done} dead letter{'' if done == 1 else 's'} put back in line."
        page.message_user(request, said, messages.SUCCESS)
    return done


def _letter_id(row: Any) -> str:
    context = row._meta.app_label
    return f"{context}:{dead_letters.OUTBOX}:{row.pk}" if isinstance(row, OutboxRow) else f"{context}:{row.pk}"
