"""Translates users' accounts into profiles, over a near or a far transport."""

from __future__ import annotations

from uuid import UUID

from apps.users.contracts.errors import UnknownUser
from apps.users.contracts.types import Account
from bff_app.ports import Profile
from fissile.calls import CallPolicy, neighbour
from fissile.errors import BrokenContractError

# Inside the dashboard's own 1.5 s, so that "unreachable" is said rather than "late".
ASK_USERS = CallPolicy(deadline_seconds=1.2, attempts=2, is_safe=True)


class UsersProfileDirectory:
    """A ProfileDirectory over users' facade."""

    def find_profile(self, user_id: UUID) -> Profile | None:
        """Return the profile, or None if users know nobody of this id; raise UnreachableError."""
        users = neighbour("users", caller="bff")
        try:
            account = users.ask("get_account", {"user_id": user_id}, returns=Account, policy=ASK_USERS)
        except UnknownUser:
            return None
        if account.id != user_id:
            raise BrokenContractError(f"users was asked for {user_id} and answered with the account of {account.id}.")
        return Profile(id=account.id, name=account.name, email=account.email)
