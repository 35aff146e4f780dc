"""The relay: from outbox to broker. A machine without I/O (core), its rows (store), its hands (shell)."""

from __future__ import annotations

from .shell import RelayLoop

__all__ = ["RelayLoop"]
