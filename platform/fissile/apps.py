"""Wires the library into a Django process, once, when it starts."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import register
from django.db.backends.signals import connection_created

from .contexts import UnknownContextError, registry


def _guard_tables(connection: Any, **_: Any) -> None:
    from .data.ownership import QueryOnForeignTable

    # A wrapper outlives a reconnect, so it is added once per connection object.
    wrapped = any(isinstance(wrapper, QueryOnForeignTable) for wrapper in connection.execute_wrappers)
    if registry.is_near(connection.alias) and not wrapped:
        connection.execute_wrappers.append(QueryOnForeignTable(connection.alias))


class FissileConfig(AppConfig):
    """Reads `settings.FISSILE`: role, contexts, packages, addresses, tier, broker_url, keys_dir, …"""

    name = "fissile"
    label = "fissile"
    verbose_name = "Fissile"

    def ready(self) -> None:
        """Load declarations, keys, guards, logs, traces and consumers, lowest floor first."""
        from . import trust
        from .data import unit_of_work
        from .events import checks, figures, outbox, wakeup
        from .trust import readiness
        from .watch import health, logs, metrics, tracing

        ours: dict[str, Any] = settings.FISSILE
        try:
            registry.configure(
                packages=ours["packages"], installed=tuple(ours["contexts"]), addresses=ours["addresses"]
            )
        except UnknownContextError as wrong:
            # One sentence instead of a traceback: it is the operator's to mend, not a bug.
            raise SystemExit(f"This process cannot start: {wrong}") from None
        # A management command's stdout is its answer; the name is the environment's default for one.
        is_command = ours["process_name"].endswith("-manage")
        logs.setup(ours["process_name"], ours["log_level"], stream="stderr" if is_command else "stdout")
        tracing.setup(ours["process_name"], ours["traces_file"])
        trust.configure(keys_dir=ours["keys_dir"])
        unit_of_work.outbox.append(outbox.append)
        unit_of_work.after_commit.append(wakeup.wake)
        health.register("keys", readiness.ensure_keys)
        metrics.register("messages", figures.collect)
        connection_created.connect(_guard_tables, dispatch_uid="fissile.ownership")
        for context in registry.installed():
            module = f"{context.package}.consumers"
            if find_spec(module) is not None:
                import_module(module)
        register(checks.declared_events_are_handled, "boundaries")
