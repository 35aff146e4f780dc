"""`prepare`: everything a role needs before it serves: keys, migrations, first rows, queues.

May touch: the keys folder, this role's databases and its queues, through `keys`, `migrate`, `seed` and the bus.
"""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management import CommandError, call_command, get_commands
from django.core.management.base import BaseCommand, CommandParser
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from fissile.contexts import registry
from fissile.events import bus
from fissile.events.hosting import broker_errors, declare_own_topology

_DUMMY = "django.db.backends.dummy"


class Command(BaseCommand):
    """One process for keys, migrate and seed: Django is loaded once, and a second run takes a moment."""

    help = "Makes keys, migrates every database of this role and seeds its contexts; safe to run again."
    # The databases that the checks would ask about are made here.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Let the supervisor read the result."""
        parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")
        parser.add_argument("--devlogin", metavar="URL", help="also make a one-use login link for the console there")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what is not done yet, and say what that was."""
        call_command("keys", "ensure", stdout=_Nowhere())
        migrated = [alias for alias in _aliases() if _is_behind(alias)]
        for alias in migrated:
            call_command("migrate", database=alias, verbosity=0, interactive=False)
        call_command("seed", verbosity=0)
        queues = _declare()
        installed = registry.installed()
        result = {
            "contexts": [context.name for context in installed],
            "events": sum(len(context.publishes) for context in installed),
            "migrated": migrated,
            "queues": queues,
            "devlogin": _login_link(options["devlogin"]) if options["devlogin"] else None,
        }
        if options["json"]:
            self.stdout.write(json.dumps(result))
        else:
            done = f"keys: there; migrated: {', '.join(migrated) or 'nothing to do'}; seeded; queues: {queues}"
            self.stdout.write(done)


def _declare() -> str:
    """Declare this role's queues before any process publishes; return what came of it, in words.

    A worker declares them as well, but another role's relay may be faster: what
    it publishes before a queue is bound would pass that consumer by.
    """
    try:
        declare_own_topology()
    except bus.SourceMissing as missing:
        return f"not all: {missing}; prepare again when its role is prepared"
    except broker_errors():
        return "left to the worker, no broker answers"
    return "declared"


class _Nowhere:
    """Swallows the lines of a command whose result is not shown."""

    def write(self, text: str) -> None:
        """Forget the text."""

    def flush(self) -> None:
        """Do nothing."""


def _aliases() -> list[str]:
    # Django fills an empty `default` with its dummy engine.
    return [alias for alias, row in settings.DATABASES.items() if row.get("ENGINE", _DUMMY) != _DUMMY]


def _is_behind(alias: str) -> bool:
    executor = MigrationExecutor(connections[alias])
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _login_link(base_url: str) -> str | None:
    """Return the operators' one-use link where the console offers one."""
    if "devlogin" not in get_commands():
        return None
    caught = _Caught()
    try:
        call_command("devlogin", base_url=base_url, stdout=caught, stderr=_Nowhere())
    except CommandError:
        return None  # not on a loopback address, or without DEBUG: then there is no link
    return next((word for word in caught.text.split() if word.startswith("http")), None)


class _Caught(_Nowhere):
    """Keeps what a command writes."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        """Keep the text."""
        self.text += text
