"""What orders asks of others, in its own words."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from .domain import Buyer


class BuyerDirectory(Protocol):
    """Knows customers that our own copy has not heard of yet."""

    def find_buyer(self, buyer_id: UUID) -> Buyer | None:
        """Return the buyer, or None if nobody has this id.

        Raise UnreachableError if the directory does not answer in time.
        """
        ...
