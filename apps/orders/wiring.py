"""The fuse box of orders: the only file that picks adapters."""

from __future__ import annotations

from .adapters.users import UsersBuyerDirectory
from .ports import BuyerDirectory


def buyers() -> BuyerDirectory:
    """Return the directory of customers: users, near or far."""
    return UsersBuyerDirectory()
