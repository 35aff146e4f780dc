"""`migrate` that knows every context has a database of its own."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.core.management.commands.migrate import Command as Migrate

from fissile.data.guard import writing


class Command(Migrate):
    """Migrate every database of this role, or the one named by --database."""

    help = "Migrates every database of this role; --database NAME migrates one."

    def add_arguments(self, parser: CommandParser) -> None:
        """Leave --database unset unless it is given."""
        super().add_arguments(parser)
        parser.set_defaults(database=None)

    def get_check_kwargs(self, options: Any) -> Any:
        """Check every database that will be migrated."""
        return {**super().get_check_kwargs(options), "databases": _aliases(options["database"])}

    def handle(self, *args: Any, **options: Any) -> None:
        """Run Django's migrate once per alias."""
        for alias in _aliases(options.pop("database", None)):
            if options["verbosity"]:
                self.stdout.write(self.style.MIGRATE_HEADING(f"Database {alias}"))
            # Migrations change rows without events; an aggregate's triggers stand all the same.
            with writing(alias):
                super().handle(*args, database=alias, **options)


def _aliases(named: str | None) -> list[str]:
    if named:
        return [named]
    # Django fills an empty `default` with its dummy engine.
    dummy = "django.db.backends.dummy"
    return [alias for alias, row in settings.DATABASES.items() if row.get("ENGINE", dummy) != dummy]
