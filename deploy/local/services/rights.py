"""What each account may do on the broker, as RabbitMQ's three patterns; computed from the contexts' declarations.

May touch: nothing. Imports `context.py` of every context, which is free of Django.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from deploy.local.house import operations_owner
from fissile.contexts import Context, Registry, directed_exchange
from settings.contexts import CONTEXTS
from settings.roles import celery_names

NOTHING = "^$"


@dataclass(frozen=True, kw_only=True)
class Rights:
    """Patterns over the names of queues and exchanges in one vhost: make and delete, write to, read from."""

    configure: str
    write: str
    read: str

    def as_json(self) -> dict[str, str]:
        """Return the body that the management API takes."""
        return asdict(self)


def declarations() -> tuple[Context, ...]:
    """Return what every context of the table says of itself."""
    known = Registry()
    packages = {name: row["package"] for name, row in CONTEXTS.items()}
    known.configure(packages=packages, installed=tuple(CONTEXTS), addresses={})
    return known.installed()


def of_context(context: Context) -> Rights:
    """Return the least that a context's relay and consumers need.

    Its own exchanges, its own queues (its dead letters are one of them), and of its neighbours
    the exchanges of those it declares to consume, and of those that say something to it alone,
    to bind its queues to. Nobody writes to what is another's: a sender's exchange bears its name.
    """
    exchange = [re.escape(context.name)] if context.publishes else []
    named = [rf"{re.escape(context.name)}\..+"] if context.ears or context.recipients else []
    own = _one_of([*exchange, *named])
    heard = [*context.sources, *(directed_exchange(sender, context.name) for sender in context.correspondents)]
    return Rights(configure=own, write=own, read=_one_of([*named, *map(re.escape, heard)]))


def of_role(role: str) -> Rights:
    """Return what Celery's own consumer of a process needs: its task queue and exchange, its event exchange."""
    own = _one_of(map(re.escape, celery_names(role)))
    return Rights(configure=own, write=own, read=own)


def all_rights(contexts: Iterable[Context], roles: Iterable[str]) -> dict[str, Rights]:
    """Return the rights of every broker user: one per context, one per role of a process."""
    found = {context.name: of_context(context) for context in contexts}
    return found | {operations_owner(role): of_role(role) for role in roles}


def _one_of(patterns: Iterable[str]) -> str:
    known = list(patterns)
    return f"^({'|'.join(known)})$" if known else NOTHING
