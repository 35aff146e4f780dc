"""What users refuses, by name; each `code` is stable and part of the contract. No Django."""

from __future__ import annotations

from fissile.errors import Refusal


class UnknownUser(Refusal):
    """Nobody has this id."""

    code = "users.unknown_user"
    status = 404


class EmailTaken(Refusal):
    """Somebody has signed up with this e-mail address; log in instead."""

    code = "users.email_taken"
    status = 409


class PasswordTooWeak(Refusal):
    """This password is among the first that an attacker tries; choose another."""

    code = "users.password_too_weak"
    status = 422


class WrongCredentials(Refusal):
    """The e-mail address or the password is wrong."""

    code = "users.wrong_credentials"
    status = 401


class RefreshRefused(Refusal):
    """The refresh token is unknown, expired, used or revoked; log in again."""

    code = "users.refresh_refused"
    status = 401


class CreditLimitOutOfRange(Refusal):
    """A credit limit is 0 to 1,000,000,000.00; nothing was changed."""

    code = "users.credit_limit_out_of_range"
    status = 422
