"""The inbox: settles the order of each aggregate's events, once each, for one consumer at a time."""

from __future__ import annotations

from .isolation import Isolation
from .loop import ConsumeLoop
from .status import ConsumerStatus, dropped, inbox_status

__all__ = ["ConsumeLoop", "ConsumerStatus", "Isolation", "dropped", "inbox_status"]
