"""What orders asks of others, in its own words."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from fissile.messages import Request

from .domain import Buyer


class BuyerDirectory(Protocol):
    """Knows customers that our own copy has not heard of yet."""

    def find_buyer(self, buyer_id: UUID) -> Buyer | None:
        """Return the buyer, or None if nobody has this id.

        Raise UnreachableError if the directory does not answer in time.
        """
        ...


class PaymentDesk(Protocol):
    """Says later, when it is asked, what was decided about an order's money."""

    def wish_for_report(self, order_id: UUID, *, answer_by: datetime) -> Request:
        """Return the request to send; what is answered to it settles the order."""
        ...
