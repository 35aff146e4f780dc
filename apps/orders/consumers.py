"""The event door of orders: users' facts, through the inbox, into our copy of buyers."""

from __future__ import annotations

from apps.users.contracts.events import CreditLimitChangedV1, UserRegisteredV1, UserRenamedV1
from fissile.events.consumers import consumes
from fissile.messages import Envelope

from . import projections


@consumes(UserRegisteredV1, into="orders")
def copy_buyer(event: UserRegisteredV1, message: Envelope) -> None:
    """Know a new customer as a buyer."""
    projections.add_buyer(
        event.user_id,
        name=event.user_name,
        credit_limit_minor=event.credit_limit_minor,
        currency=event.currency,
        version=message.aggregateversion,
    )


@consumes(UserRenamedV1, into="orders")
def copy_buyer_name(event: UserRenamedV1, message: Envelope) -> None:
    """Keep our copy of the buyer's name."""
    projections.rename_buyer(event.user_id, event.user_name, version=message.aggregateversion)


@consumes(CreditLimitChangedV1, into="orders")
def copy_credit_limit(event: CreditLimitChangedV1, message: Envelope) -> None:
    """Keep our copy of what the buyer may order at once."""
    projections.change_credit_limit(
        event.user_id, event.credit_limit_minor, event.currency, version=message.aggregateversion
    )
