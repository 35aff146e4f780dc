"""Rules of users as plain functions and values: no Django, clock, randomness or I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from .contracts.errors import CreditLimitOutOfRange, PasswordTooWeak

CURRENCY = "EUR"
# 10,000.00 EUR: what a new customer may order at once.
FIRST_CREDIT_LIMIT_MINOR = 1_000_000
# 1,000,000,000.00: far above any order, far below what 64 bits hold.
LARGEST_CREDIT_LIMIT_MINOR = 100_000_000_000

# RFC 5321, 4.5.3.1.3 leaves 254 for the address itself.
LONGEST_EMAIL = 254
LONGEST_NAME = 100
# NIST 800-63B asks for 8 and room for 64; length is what counts against guessing.
SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 128
FEWEST_DIFFERENT_CHARACTERS = 5

# A dot-atom and a host name with at least two labels (RFC 5321, 4.1.2). Quoted
# local parts, address literals and non-ASCII addresses are left out: few mail systems take them.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
EMAIL_PATTERN = rf"^{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+$"

# Whoever stays away longer logs in again.
REFRESH_LIFETIME = timedelta(days=30)
# 256 bits: nobody guesses it, so a fast hash without salt keeps it.
REFRESH_TOKEN_BYTES = 32
REFRESH_TOKEN_PATTERN = r"^[A-Za-z0-9_-]{43}$"  # noqa: S105


@dataclass(frozen=True, kw_only=True)
class Customer:
    """A customer as screens show one."""

    id: UUID
    email: str
    name: str
    credit_limit_minor: int
    currency: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Session:
    """What a client holds after logging in. `expires_in` is the access token's life in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105


def folded(email: str) -> str:
    """Return the one spelling under which an address is known; two spellings are one customer."""
    return email.casefold()


def ensure_strong(password: str, *, email: str, name: str, common: Container[str]) -> None:
    """Raise PasswordTooWeak for what is guessed first: common, personal or hardly any characters."""
    lowered = password.casefold()
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise PasswordTooWeak(f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.")
    if len(set(password)) < FEWEST_DIFFERENT_CHARACTERS:
        raise PasswordTooWeak(f"A password has at least {FEWEST_DIFFERENT_CHARACTERS} different characters.")
    if lowered in common or lowered in (folded(email), folded(email).partition("@")[0], name.casefold()):
        raise PasswordTooWeak


def ensure_credit_limit(limit_minor: int) -> None:
    """Raise CreditLimitOutOfRange."""
    if not 0 <= limit_minor <= LARGEST_CREDIT_LIMIT_MINOR:
        raise CreditLimitOutOfRange


def digest_of(refresh_token: str) -> str:
    """Return what is kept of a refresh token: its SHA-256 (hex)."""
    return hashlib.sha256(refresh_token.encode()).hexdigest()
