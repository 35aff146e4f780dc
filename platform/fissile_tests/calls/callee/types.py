"""Values and refusals of the callee."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from fissile.errors import Refusal


@dataclass(frozen=True, kw_only=True)
class Money:
    amount_minor: int
    currency: str


@dataclass(frozen=True, kw_only=True)
class Account:
    """One value of each kind that crosses a border."""

    id: UUID
    name: str
    limit: Money
    opened_at: datetime
    rate: Decimal
    tags: tuple[str, ...] = ()
    nickname: str | None = None
    share: float = 0.5


class AccountClosed(Refusal):
    """The account is closed."""

    code = "callee.account_closed"
    status = 422


@dataclass(frozen=True, kw_only=True)
class Carried:
    """What the callee saw beside its arguments."""

    correlation_id: str
    causation_id: str | None
    kind: str
    subject: str | None
    actor: str | None
    trace_id: int
    parent_span_id: int
    seconds_left: float
    leaked: str
