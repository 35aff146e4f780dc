"""The gate as a Django app: beside `fissile`, or alone in any Django project."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register


class GateConfig(AppConfig):
    """Registers the system check; it reads the project only when the check runs."""

    name = "fissile.gate"
    label = "fissile_gate"
    verbose_name = "Extractability gate"

    def ready(self) -> None:
        """Register under the tag `boundaries`."""
        from .checks import boundaries

        register(boundaries, "boundaries")
