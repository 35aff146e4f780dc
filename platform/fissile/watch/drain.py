"""Drain: the switch that turns readiness off before a process stops. No Django.

Order on SIGTERM: begin() → wait one probe interval → stop accepting → finish → exit.
"""

from __future__ import annotations

# A plain flag: begin() runs in signal handlers, where taking a lock could deadlock.
_draining = False


def begin() -> None:
    """Turn readiness off; requests are still answered. Safe in a signal handler, any number of times."""
    global _draining
    _draining = True


def is_draining() -> bool:
    """True once this process was told to stop."""
    return _draining
