"""What the callee offers."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from django.db import OperationalError
from opentelemetry import trace

from fissile import carry
from fissile.errors import BrokenContractError, Refusal, UncertainError, UnreachableError

from . import types, unfit
from .kinds import KINDS

local_note: ContextVar[str] = ContextVar("local_note", default="nothing")


def get_account(*, account_id: UUID, nickname: str | None = None) -> types.Account:
    return types.Account(
        id=account_id,
        name="Ägir & Söhne \u2028 \U0001faa8",
        limit=types.Money(amount_minor=10**15, currency="EUR"),
        opened_at=datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC),
        rate=Decimal("0.10"),
        tags=("a", "b"),
        nickname=nickname,
    )


def echo(account: types.Account) -> types.Account:
    return account


def spoil(lines: list[str]) -> list[str]:
    lines.append("spoilt")
    return lines


def carried() -> types.Carried:
    now = carry.current()
    span = trace.get_current_span().get_span_context()
    return types.Carried(
        correlation_id=now.correlation_id,
        causation_id=now.causation_id,
        kind=now.principal.kind,
        subject=now.principal.subject,
        actor=now.principal.actor,
        trace_id=span.trace_id,
        parent_span_id=span.span_id,
        seconds_left=carry.remaining_seconds(99.0),
        leaked=local_note.get(),
    )


def size_of(text: str) -> int:
    return len(text)


def text_of(size: int) -> str:
    return "x" * size


def outlast_deadline() -> int:
    threading.Event().wait(carry.remaining_seconds(2.0) + 0.05)
    return 1


def refuse(account_id: UUID) -> types.Account:
    raise types.AccountClosed(account_id=account_id, since=datetime(2026, 1, 1, tzinfo=UTC), attempts=3, rows=[1, "b"])


def refuse_strangely() -> None:
    raise Refusal.from_wire("callee.odd", "An odd no.", {"why": "because"})


def be_unreachable() -> None:
    raise UnreachableError("The callee's own neighbour is down.")


def be_uncertain() -> None:
    raise UncertainError("The callee does not know.")


def break_contract() -> None:
    raise BrokenContractError("A secret inside.")


def break_down() -> float:
    return 1 / 0


def lose_database() -> None:
    raise OperationalError("server closed the connection")


def answer_in_kind(kind: str) -> object:
    return unfit.KINDS[kind].make()


def refuse_with_an_object() -> None:
    raise types.AccountClosed(rows=[1, threading.Lock()])


def answer_text() -> str:
    return "text"


def answer_nothing() -> None:
    return None


_kept: list[str] = []


def keep_lines(lines: list[str]) -> list[str]:
    _kept[:] = lines
    return _kept


def kept_lines() -> list[str]:
    return _kept


_runs: Counter[str] = Counter()


def add(name: str) -> int:
    """Not idempotent: counts its own runs."""
    _runs[name] += 1
    return _runs[name]


def times_run(name: str) -> int:
    return _runs[name]


def leak() -> None:
    local_note.set("leaked")


def for_bff_only() -> int:
    return 1


def not_offered() -> int:
    return 1


def _same(kind: object) -> Callable[..., object]:
    def same(value: object) -> object:
        return value

    same.__annotations__ = {"value": kind, "return": kind}
    return same


# One function a kind: it gives back what arrived.
globals().update({f"same_{name}": _same(kind) for name, kind in KINDS.items()})
