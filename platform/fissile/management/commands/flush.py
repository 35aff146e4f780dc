"""`flush`, told that it writes on purpose: it empties tables, and no event tells of it."""

from __future__ import annotations

from typing import Any

from django.core.management.commands.flush import Command as Flush

from fissile.data.guard import writing


class Command(Flush):
    """Empty the tables of one database; Django's test cases use it between tests."""

    def handle(self, **options: Any) -> None:
        """Run Django's flush, past the guard of writes."""
        with writing(options["database"]):
            super().handle(**options)
