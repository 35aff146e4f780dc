"""Who owns which table: the database router.

A context's app label is its database alias. Django's own apps (auth, sessions,
admin) live with the operators, in `operations`.
"""

from __future__ import annotations

from typing import Any

from django.db import models

from fissile.contexts import registry

from . import guard

OPERATIONS = "operations"


def alias_of(app_label: str) -> str:
    """Return the database alias that owns the tables of `app_label`."""
    return app_label if registry.is_near(app_label) else OPERATIONS


class ContextRouter:
    """Routes every model to its owner's alias; relations and migrations never cross."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str:
        """Return the owner's alias."""
        return self._owner(model, hints)

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str:
        """Return the owner's alias."""
        return self._owner(model, hints)

    def allow_relation(self, first: models.Model, second: models.Model, **hints: Any) -> bool:
        """Allow relations inside one alias only."""
        return alias_of(first._meta.app_label) == alias_of(second._meta.app_label)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Run an app's migrations on its owner's alias only."""
        return db == alias_of(app_label)

    def _owner(self, model: type[models.Model], hints: dict[str, Any]) -> str:
        owner = alias_of(model._meta.app_label)
        instance = hints.get("instance")
        # A related object of another context: the one way a foreign alias slips in.
        if instance is not None and instance._state.db not in (None, owner):
            _reached_across(model, owner, str(instance._state.db))
        return owner


def _reached_across(model: type[models.Model], owner: str, through: str) -> None:
    guard.breach(
        "sql", through, f"a row of {through} leads to {model._meta.db_table} of {owner}",
        lambda: guard.ForeignTable(
            f"{model._meta.label} belongs to {owner}, but was reached through a row of {through}. "
            "Ask through a port instead."
        ),
    )  # fmt: skip
