"""Which service may call which facade function: what the declaration offers, and nothing else."""

from __future__ import annotations

from fissile.contexts import registry
from fissile.errors import Refusal


class NotAllowed(Refusal):
    """You may not do this."""

    code = "not_allowed"
    status = 403


def may_call(context: str, function: str, actor: str | None) -> bool:
    """Tell if the service `actor` may call `context`'s facade function; no for anything undeclared."""
    if not actor or not registry.is_near(context):
        return False
    return actor in registry.get(context).offers.get(function, ())


def ensure_may_call(context: str, function: str, actor: str | None) -> None:
    """Raise NotAllowed unless `actor` may call; the same answer if there is no such function."""
    if not may_call(context, function, actor):
        raise NotAllowed(
            f"{actor or 'Nobody'} may not call {context}.{function}; "
            f"{context}/context.py must offer it to {actor or 'the caller'} first."
        )
