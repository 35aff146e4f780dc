"""Translates users' accounts into buyers, over a near or a far transport."""

from __future__ import annotations

from uuid import UUID

from apps.orders.domain import Buyer, Money
from apps.users.contracts.errors import UnknownUser
from apps.users.contracts.types import Account
from fissile.calls import CallPolicy, neighbour
from fissile.errors import BrokenContractError

# A buyer waits two seconds at most for "not now", and the gateway and our own work
# need some of that; a refused connection leaves room for a second try.
ASK_USERS = CallPolicy(deadline_seconds=1.2, attempts=2, is_safe=True)


class UsersBuyerDirectory:
    """A BuyerDirectory over users' facade."""

    def find_buyer(self, buyer_id: UUID) -> Buyer | None:
        """Return the buyer, or None if users know nobody of this id; raise UnreachableError, BrokenContractError."""
        users = neighbour("users", caller="orders")
        try:
            account = users.ask("get_account", {"user_id": buyer_id}, returns=Account, policy=ASK_USERS)
        except UnknownUser:
            return None
        if account.id != buyer_id:
            raise BrokenContractError(f"users was asked for {buyer_id} and answered with the account of {account.id}.")
        limit = Money(amount_minor=account.credit_limit_minor, currency=account.currency)
        return Buyer(id=account.id, name=account.name, credit_limit=limit)
