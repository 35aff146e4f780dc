"""`manage.py keys ensure|list`: the signing keys of this process's contexts. Touches the keys folder only."""

from __future__ import annotations

import stat
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fissile.contexts import registry
from fissile.trust import configured, keys


class Command(BaseCommand):
    """Make or list the keys that tokens are signed with."""

    help = "ensure: make missing keys (safe to repeat). list: show what is there, never a private key."
    # Keys come before databases: a checkless start lets `make run` do this first.
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        """One positional: what to do."""
        parser.add_argument("action", choices=("ensure", "list"))

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        """Do it and print one line a key."""
        folder = configured().keys_dir
        try:
            pairs = keys.ensure(folder, _names()) if action == "ensure" else keys.found(folder)
        except OSError as wrong:
            raise CommandError(f"Keys cannot be kept in {folder}: {wrong}. Set KEYS_DIR to your own.") from wrong
        except keys.UnusableKeyError as wrong:
            raise CommandError(str(wrong)) from wrong
        for pair in pairs:
            mode = stat.S_IMODE(pair.private.stat().st_mode)
            self.stdout.write(f"{pair.name:20} {pair.kid}  {mode:04o}  published: {len(pair.published)}")
        if not pairs:
            self.stdout.write(f"No keys in {folder}. Make them with: manage.py keys ensure")


def _names() -> list[str]:
    """A pair per installed context; users' access keys where users is at home."""
    installed = [context.name for context in registry.installed()]
    access = [keys.ACCESS] if "users" in installed else []
    return access + [keys.service_key(name) for name in installed]
