"""The fuse box of orders: the only file that picks adapters."""

from __future__ import annotations

from .adapters.payments import PaymentsDesk
from .adapters.users import UsersBuyerDirectory
from .ports import BuyerDirectory, PaymentDesk


def buyers() -> BuyerDirectory:
    """Return the directory of customers: users, near or far."""
    return UsersBuyerDirectory()


def payments() -> PaymentDesk:
    """Return the desk that knows of payments: payments, by request and reply."""
    return PaymentsDesk()
