"""Our copy of users' facts about buyers; written from their events only, on our own database.

Each write carries the version of its event and only ever goes forward.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fissile.errors import BrokenContractError

from .models import BuyerCopy


class BuyerNeverRegistered(BrokenContractError):
    """A buyer changed whose registration never came; the stream has a hole."""

    code = "orders.buyer_never_registered"


def add_buyer(buyer_id: UUID, *, name: str, credit_limit_minor: int, currency: str, version: int) -> None:
    """Keep a new buyer; hearing it twice changes nothing."""
    # The first event of its stream: whoever is there already is at least as far.
    BuyerCopy.objects.get_or_create(
        id=buyer_id,
        defaults={
            "name": name,
            "credit_limit_minor": credit_limit_minor,
            "currency": currency,
            "version": version,
        },
    )


def rename_buyer(buyer_id: UUID, name: str, *, version: int) -> None:
    """Keep a buyer's new name; raise BuyerNeverRegistered."""
    _advance(buyer_id, version, name=name)


def change_credit_limit(buyer_id: UUID, credit_limit_minor: int, currency: str, *, version: int) -> None:
    """Keep a buyer's new credit limit; raise BuyerNeverRegistered."""
    _advance(buyer_id, version, credit_limit_minor=credit_limit_minor, currency=currency)


def _advance(buyer_id: UUID, version: int, **facts: Any) -> None:
    changed = BuyerCopy.objects.filter(id=buyer_id, version__lt=version).update(**{**facts, "version": version})
    if not changed and not BuyerCopy.objects.filter(id=buyer_id).exists():
        raise BuyerNeverRegistered(f"Buyer {buyer_id} changed at version {version}, but was never registered.")
