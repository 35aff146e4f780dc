"""Writes what an operator did, by a command or on a page of many rows, into the admin's log: one entry each.

May touch: the operators' accounts and the admin's log.
"""

from __future__ import annotations

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db import models

from fissile.events.dead_letters import DeadLetter
from fissile.events.inbox.store import inbox_of
from fissile.events.outbox import outbox_of

# Before the name that the shell gives; no person of the console is called so.
SHELL = "shell:"
_LONGEST_NAME = 150


def account_of(operator: str) -> int:
    """Return the account under which a shell user's commands are logged; nobody can log in with it."""
    accounts = get_user_model()._default_manager
    # Django takes a password that begins so for one that nothing matches.
    shut = {"is_active": False, "is_staff": False, "password": "!"}
    account, _ = accounts.get_or_create(username=f"{SHELL}{operator}"[:_LONGEST_NAME], defaults=shut)
    return int(account.pk)


def record(account: int, model: type[models.Model], *, key: str, name: str, said: str) -> None:
    """Write one entry: which row, by key and name, and what was done to it and why."""
    LogEntry.objects.create(
        user_id=account,
        content_type=ContentType.objects.get_for_model(model),
        object_id=key,
        object_repr=name[:200],
        action_flag=CHANGE,
        change_message=said,
    )


def record_letter(account: int, letter: DeadLetter, outcome: str, reason: str) -> None:
    """Write what was done to a dead letter; it stands in the history of the row's page, too."""
    model: type[models.Model] = (outbox_of if letter.is_at_the_owner else inbox_of)(letter.context)
    name = f"{letter.consumer}: {letter.type} {letter.aggregate}@{letter.version}"
    record(account, model, key=str(letter.number), name=name, said=done(outcome, letter.reason, reason))


def done(outcome: str, before: str, reason: str) -> str:
    """Return the sentence of an entry about one row: what was done, what the row said before, and why."""
    return f"{outcome.capitalize()}. Was: {before[:200] or 'no trouble'}. Reason: {reason}"
