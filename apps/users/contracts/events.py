"""What users tells the house: facts about one customer, in the order in which they happened. No Django.

Money is integer minor units of `currency` (ISO 4217). No event carries an e-mail address.
A customer's name is `user_name`: `name` is the event's own, on the class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from fissile.messages import Event


@dataclass(frozen=True, kw_only=True)
class UserRegisteredV1(Event):
    """Somebody became a customer; the first event of every user."""

    name: ClassVar[str] = "users.user_registered.v1"
    aggregate_type: ClassVar[str] = "user"

    user_id: UUID
    user_name: str
    credit_limit_minor: int
    currency: str

    @property
    def key(self) -> str:
        """The user's id."""
        return str(self.user_id)


@dataclass(frozen=True, kw_only=True)
class UserRenamedV1(Event):
    """A customer goes by another name from now on."""

    name: ClassVar[str] = "users.user_renamed.v1"
    aggregate_type: ClassVar[str] = "user"

    user_id: UUID
    user_name: str

    @property
    def key(self) -> str:
        """The user's id."""
        return str(self.user_id)


@dataclass(frozen=True, kw_only=True)
class CreditLimitChangedV1(Event):
    """An operator changed what a customer may order at once."""

    name: ClassVar[str] = "users.credit_limit_changed.v1"
    aggregate_type: ClassVar[str] = "user"

    user_id: UUID
    credit_limit_minor: int
    currency: str

    @property
    def key(self) -> str:
        """The user's id."""
        return str(self.user_id)
