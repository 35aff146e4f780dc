"""Reads of users for screens and neighbours; writes nothing."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from fissile.errors import UnreachableError
from fissile.trust.configuration import configured
from fissile.trust.keys import ACCESS, public_path

from .contracts.errors import UnknownUser
from .domain import Customer
from .models import User


def get_customer(user_id: UUID) -> Customer:
    """Return a customer; raise UnknownUser."""
    row = User.objects.filter(id=user_id).first()
    if row is None:
        raise UnknownUser(user_id=user_id)
    return customer_of(row)


def customer_of(row: User) -> Customer:
    """Return a row as the value that leaves this room."""
    return Customer(
        id=row.id,
        email=row.email,
        name=row.name,
        credit_limit_minor=row.credit_limit_minor,
        currency=row.currency,
        created_at=row.created_at,
    )


def published_keys() -> dict[str, Any]:
    """Return the JWKS (RFC 7517) that verifies users' access tokens; raise UnreachableError before it is made."""
    try:
        return dict(json.loads(public_path(configured().keys_dir, ACCESS).read_bytes()))
    except FileNotFoundError as absent:
        raise UnreachableError("No key has been published yet. Run: manage.py keys ensure") from absent
