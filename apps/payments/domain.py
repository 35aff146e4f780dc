"""The rules of a payment and of its ledger: plain values and functions. No Django, no clock, no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from fissile.errors import Refusal

from .contracts.errors import NotCapturable, NotRefundable, NotVoidable

CARD_REFUSED = "card_refused"
UNKNOWN_METHOD = "unknown_payment_method"

# Test methods stand in for a provider: method → why it is refused, or None.
_METHODS = {"test-card": None, "test-card-refused": CARD_REFUSED}


class Status(StrEnum):
    """Where a payment stands."""

    AUTHORISED = "authorised"
    REFUSED = "refused"
    CAPTURED = "captured"
    VOIDED = "voided"
    REFUNDED = "refunded"


class Step(StrEnum):
    """What can be done with a payment that was authorised."""

    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


class Kind(StrEnum):
    """What a line of the ledger is: money that is held (hold, release) or taken (charge, refund)."""

    HOLD = "hold"
    RELEASE = "release"
    CHARGE = "charge"
    REFUND = "refund"


# The state machine, closed: what is not in this table is refused.
_AFTER = {
    (Status.AUTHORISED, Step.CAPTURE): Status.CAPTURED,
    (Status.AUTHORISED, Step.VOID): Status.VOIDED,
    (Status.CAPTURED, Step.REFUND): Status.REFUNDED,
}
_IMPOSSIBLE: dict[Step, type[Refusal]] = {
    Step.CAPTURE: NotCapturable,
    Step.VOID: NotVoidable,
    Step.REFUND: NotRefundable,
}
# What an order's fate asks for; nothing where the payment has come further already.
_AFTER_CONFIRMATION: dict[str, Step] = {Status.AUTHORISED: Step.CAPTURE}
_AFTER_CANCELLATION: dict[str, Step] = {Status.AUTHORISED: Step.VOID, Status.CAPTURED: Step.REFUND}
# Arriving at a status writes these lines, each kind at most once in a payment's life.
_LINES: dict[Status, tuple[tuple[Kind, int], ...]] = {
    Status.AUTHORISED: ((Kind.HOLD, +1),),
    Status.REFUSED: (),
    Status.CAPTURED: ((Kind.RELEASE, -1), (Kind.CHARGE, +1)),
    Status.VOIDED: ((Kind.RELEASE, -1),),
    Status.REFUNDED: ((Kind.REFUND, -1),),
}


@dataclass(frozen=True, kw_only=True)
class Money:
    """An amount in minor units (cents) of an ISO 4217 currency."""

    amount_minor: int
    currency: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What became of asking a payment method for money; `refusal_reason` is a code, empty if it was authorised."""

    status: Status
    refusal_reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the ledger; the amount is signed."""

    kind: Kind
    amount_minor: int


@dataclass(frozen=True, kw_only=True)
class Balance:
    """What the ledger says of one payment: how much is held, and how much is taken."""

    held_minor: int = 0
    charged_minor: int = 0


@dataclass(frozen=True, kw_only=True)
class Payment:
    """A payment as it stands. `version` counts its events; `status` may be one that newer code made."""

    id: UUID
    order_id: UUID
    buyer_id: UUID
    status: str
    amount: Money
    balance: Balance
    refusal_reason: str
    decided_at: datetime
    version: int


def decide(method: str) -> Decision:
    """Ask a payment method for money: authorise it, or refuse with a reason's code."""
    reason = _METHODS.get(method, UNKNOWN_METHOD)
    if reason is not None:
        return Decision(status=Status.REFUSED, refusal_reason=reason)
    return Decision(status=Status.AUTHORISED)


def status_after(status: str, step: Step) -> Status:
    """Return the status that a step leads to; raise NotCapturable, NotVoidable or NotRefundable."""
    try:
        return _AFTER[Status(status), step]
    except (KeyError, ValueError):
        raise _IMPOSSIBLE[step](status=status) from None


def step_after_confirmation(status: str) -> Step | None:
    """Return what is due once the order is confirmed: to take what is held."""
    return _AFTER_CONFIRMATION.get(status)


def step_after_cancellation(status: str) -> Step | None:
    """Return what is due once the order is cancelled: to let go what is held, or to give back what was taken."""
    return _AFTER_CANCELLATION.get(status)


def lines_of(status: Status, amount_minor: int) -> tuple[Line, ...]:
    """Return the ledger's lines for arriving at a status."""
    return tuple(Line(kind=kind, amount_minor=sign * amount_minor) for kind, sign in _LINES[status])


def balance_of(lines: Iterable[Line]) -> Balance:
    """Return what a payment's lines add up to."""
    held = charged = 0
    for line in lines:
        if line.kind in (Kind.HOLD, Kind.RELEASE):
            held += line.amount_minor
        else:
            charged += line.amount_minor
    return Balance(held_minor=held, charged_minor=charged)
