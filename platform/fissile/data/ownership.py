"""Who owns which table: the database router, and the guard that keeps `default` empty.

A context's app label is its database alias. Django's own apps (auth, sessions,
admin) live with the operators, in `operations`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from django.db import models

from fissile.contexts import registry
from fissile.errors import BrokenContractError

OPERATIONS = "operations"


class ForeignTable(BrokenContractError):
    """A context reached for a table that another context owns."""

    code = "foreign_table"


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
            raise ForeignTable(
                f"{model._meta.label} belongs to {owner}, but was reached through a row of "
                f"{instance._state.db}. Ask through a port instead."
            )
        return owner


class QueryOnForeignTable:
    """An execute wrapper for one alias: refuses SQL that names another context's tables.

    Installed on every connection of a context by `fissile.apps`. Tables start with
    their context's label and an underscore, so a name tells its owner.
    """

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Run the statement unless it names a foreign table."""
        # Values are parameters and never in the text, so a name in it is a name.
        if (found := _foreign_tables(self.alias).search(sql)) is not None:
            raise ForeignTable(
                f"A statement on {self.alias}'s database names a table of {found[1].lower()}. "
                f"Ask {found[1].lower()} through a port, or keep a local copy fed by its events."
            )
        return execute(sql, params, many, context)


@cache
def _foreign_tables(alias: str) -> re.Pattern[str]:
    others = "|".join(re.escape(name) for name in registry.names() if name != alias)
    return re.compile(rf"\b(?:from|join|into|update|table|only|references)\s+[\"`]?({others})_", re.IGNORECASE)
