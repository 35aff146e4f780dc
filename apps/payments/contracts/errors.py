"""What payments refuses, by name; each `code` is stable and part of the contract. No Django."""

from __future__ import annotations

from fissile.errors import Refusal


class UnknownPayment(Refusal):
    """You have no payment for this order; one is there shortly after the order was placed."""

    code = "payments.unknown_payment"
    status = 404


class NotCapturable(Refusal):
    """Only an authorised payment can be captured."""

    code = "payments.not_capturable"
    status = 409


class NotVoidable(Refusal):
    """Only an authorised payment can be voided; a captured one is refunded."""

    code = "payments.not_voidable"
    status = 409


class NotRefundable(Refusal):
    """Only a captured payment can be refunded."""

    code = "payments.not_refundable"
    status = 409
