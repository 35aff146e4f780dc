"""The inbox: settles the order of each aggregate's events, once each, for one consumer at a time."""

from __future__ import annotations

from .loop import ConsumeLoop
from .status import ConsumerStatus, inbox_status

__all__ = ["ConsumeLoop", "ConsumerStatus", "inbox_status"]
