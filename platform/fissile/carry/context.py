"""The carried values of the work in hand, in one context variable."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who is asking. `actor` is the service that speaks for `subject`, if one does."""

    kind: Literal["anonymous", "user", "service", "operator"] = "anonymous"
    subject: str | None = None
    actor: str | None = None

    @property
    def is_authenticated(self) -> bool:
        """True for anybody with a verified token; DRF asks this of `request.user`."""
        return self.kind != "anonymous"


@dataclass(frozen=True, kw_only=True)
class Carried:
    """Values that cross every hop. `deadline` is on this process's monotonic clock, in seconds."""

    correlation_id: str = ""
    causation_id: str | None = None
    deadline: float | None = None
    principal: Principal = Principal()


_current: ContextVar[Carried] = ContextVar("fissile_carried", default=Carried())


def current() -> Carried:
    """Return what the work in hand carries; empty outside of any."""
    return _current.get()


@contextmanager
def using(**changes: Any) -> Iterator[Carried]:
    """Run a block with some carried values changed; a deadline can only come closer."""
    before = _current.get()
    if before.deadline is not None and changes.get("deadline") is not None:
        changes["deadline"] = min(before.deadline, changes["deadline"])
    with carrying(replace(before, **changes)) as carried:
        yield carried


@contextmanager
def carrying(carried: Carried) -> Iterator[Carried]:
    """Run a block with exactly these carried values."""
    token = _current.set(carried)
    try:
        yield carried
    finally:
        _current.reset(token)


def remaining_seconds(default: float) -> float:
    """Return the seconds left until the deadline, at most `default`; never below 0."""
    deadline = _current.get().deadline
    if deadline is None:
        return default
    return max(0.0, min(default, deadline - time.monotonic()))
