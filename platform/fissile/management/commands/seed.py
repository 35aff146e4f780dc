"""`seed`: give every installed context the rows it cannot start without."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.core.management.base import BaseCommand

from fissile.contexts import registry


class Command(BaseCommand):
    """Call `<package>.seed.seed()` of every installed context that has one; a second run changes nothing."""

    help = "Seeds every context of this role; safe to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed in the order of the role."""
        for context in registry.installed():
            if find_spec(f"{context.package}.seed") is None:
                continue
            import_module(f"{context.package}.seed").seed()
            if options["verbosity"]:
                self.stdout.write(f"{context.name}: seeded")
