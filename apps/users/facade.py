"""What neighbours may ask of users: plain functions, contracts in, contracts out."""

from __future__ import annotations

from uuid import UUID

from . import queries
from .contracts.types import Account


def get_account(user_id: UUID) -> Account:
    """Return a customer's account; raise UnknownUser."""
    customer = queries.get_customer(user_id)
    return Account(
        id=customer.id,
        name=customer.name,
        email=customer.email,
        credit_limit_minor=customer.credit_limit_minor,
        currency=customer.currency,
    )
