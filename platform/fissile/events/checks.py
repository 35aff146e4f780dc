"""System checks of the events floor: what `context.py` declares, compared with the handlers there are."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error

from fissile.contexts import registry

from .consumers import undeclared


def declared_events_are_handled(app_configs: Any = None, **options: Any) -> list[CheckMessage]:
    """Name every event that is handled and not declared, or declared and not handled."""
    return [
        Error(difference, hint=f"compare {context.package}/context.py with its consumers.py", id="fissile.E001")
        for context in registry.installed()
        for difference in undeclared(context)
    ]
