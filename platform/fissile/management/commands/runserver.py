"""`runserver`: the web part of any role with its events in the same process; for development only.

May touch: what a web process and a worker touch. Django's own server and reloader do the serving.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles.management.commands.runserver import Command as RunServer
from django.core.management import get_commands
from django.core.management.base import CommandParser
from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor

from fissile.contexts import registry
from fissile.events.bus import is_embedded
from fissile.events.in_process import InProcess

_DUMMY = "django.db.backends.dummy"


class Command(RunServer):
    """Serve this role on its own port and move its events, until a worker does."""

    # Set by Django's handle().
    addr: str
    _raw_ipv6: bool

    help = "Serves this role for development, with relay and consumers in the same process."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add --no-events to Django's arguments."""
        super().add_arguments(parser)
        parser.set_defaults(use_static_handler=apps.is_installed("django.contrib.staticfiles"))
        parser.add_argument("--no-events", action="store_true", help="serve only; a worker moves the events")

    def handle(self, *args: Any, **options: Any) -> None:
        """Listen on the role's own port unless another one is given."""
        self.default_port = str(settings.FISSILE["port"])
        self._moves_events = not options["no_events"]
        super().handle(*args, **options)

    def check_migrations(self) -> None:
        """Print one line and the exact command if a store of this role is behind."""
        behind = [alias for alias in _aliases() if _is_behind(alias)]
        if behind:
            self.stdout.write(
                self.style.NOTICE(f"Unmigrated stores: {', '.join(behind)}. Run: {self._manage()} prepare")
            )

    def on_bind(self, server_port: int) -> None:
        """Print the banner and start the events; called in the process that serves, once it listens."""
        for line in self._banner(server_port):
            self.stdout.write(line)
        if self._moves_events:
            InProcess(settings.FISSILE["process_name"]).start()

    def _banner(self, port: int) -> list[str]:
        ours = settings.FISSILE
        here = f"http://{f'[{self.addr}]' if self._raw_ipv6 else self.addr}:{port}"
        events = "in-process, until a worker leads" if self._moves_events else "not here (--no-events)"
        stores = " · ".join(f"{alias} {connections[alias].vendor}" for alias in _aliases())
        lines = [
            "",
            f"Topology   {self._topology()}",
            f"Stores     {stores}     Broker {_broker()}     Relay {events}",
            "           no gateway in front: tokens are checked here, the edge's own policies are not",
        ]
        if ours["tier"] == "embedded":
            lines.append("           embedded tier: no separate broker process, one host → docs/tiers.md")
        return [
            *lines,
            "",
            *self._doors(here),
            "Ctrl-C stops",
            "",
        ]

    def _doors(self, here: str) -> list[str]:
        commands = get_commands()
        lines = {
            f"API        {here}/api/docs/": apps.is_installed("drf_spectacular"),
            f"Operations {here}/admin/        a login link: {self._manage()} devlogin": "devlogin" in commands
            and apps.is_installed("django.contrib.admin"),
            f"Next       {self._manage()} demo --url {here}": "demo" in commands,
        }
        return [line for line, is_there in lines.items() if is_there]

    def _topology(self) -> str:
        near = ", ".join(context.name for context in registry.installed())
        far = ", ".join(f"{name} at {url}" for name, url in sorted(registry.addresses().items()))
        return f"{near} in this process" + (f"; {far}" if far else "")

    def _manage(self) -> str:
        role = settings.FISSILE["role"]
        return f"{'' if role == 'all' else f'ROLE={role} '}manage.py"


def _aliases() -> list[str]:
    # Django fills an empty `default` with its dummy engine.
    return [alias for alias, row in settings.DATABASES.items() if row.get("ENGINE", _DUMMY) != _DUMMY]


def _is_behind(alias: str) -> bool:
    try:
        executor = MigrationExecutor(connections[alias])
        return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except DatabaseError:
        return True


def _broker() -> str:
    kinds = {
        "sqlite (embedded)" if is_embedded(url) else "rabbitmq" for url in settings.FISSILE["broker_urls"].values()
    }
    return " and ".join(sorted(kinds))
