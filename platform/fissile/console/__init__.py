"""The operators' door: an admin site of its own, base classes for rows, a login link for development.

`site` and the base classes are loaded on first use: this package is imported
before Django's apps are ready.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "site": "django.contrib.admin",
    "ReadOnlyAdmin": "fissile.console.rows",
    "OutboxAdmin": "fissile.console.messaging",
    "InboxAdmin": "fissile.console.messaging",
    "PositionAdmin": "fissile.console.messaging",
    "ConsumerAdmin": "fissile.console.consumers",
    "LaneAdmin": "fissile.console.messaging",
    "IdempotencyAdmin": "fissile.console.messaging",
    "register_messaging": "fissile.console.messaging",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"fissile.console has no {name}")
    return getattr(import_module(_HOMES[name]), name)
