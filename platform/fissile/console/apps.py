"""Puts the operations site in the place of Django's default admin site; every context's admin.py is loaded."""

from __future__ import annotations

from django.contrib.admin.apps import AdminConfig


class OperationsConfig(AdminConfig):
    """Django's admin with our site."""

    default = False
    default_site = "fissile.console.operations.OperationsSite"

    def ready(self) -> None:
        """Load every context's admin.py, and the pages of the log and of the operators."""
        super().ready()
        from . import audit, operators  # noqa: F401 - they register their pages
