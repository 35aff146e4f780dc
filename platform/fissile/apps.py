"""Wires the library into a Django process, once, when it starts."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db.backends.signals import connection_created

from .config import ConfigurationError, completed
from .contexts import UnknownContextError, registry


class FissileConfig(AppConfig):
    """Reads `settings.FISSILE`: role, contexts, packages, addresses, tier, broker_urls, outbox_limits, guard, …"""

    name = "fissile"
    label = "fissile"
    verbose_name = "Fissile"

    def ready(self) -> None:
        """Load declarations, keys, guards, logs, traces and consumers, lowest floor first."""
        from . import trust
        from .data import guard, unit_of_work
        from .events import backlog, figures, outbox, receivers, wakeup
        from .trust import readiness
        from .watch import health, logs, metrics, tracing

        ours: dict[str, Any] = getattr(settings, "FISSILE", {})
        try:
            # In its place: everybody else reads the settings.
            ours.update(completed(ours, databases=settings.DATABASES, routers=settings.DATABASE_ROUTERS))
            registry.configure(
                packages=ours["packages"], installed=tuple(ours["contexts"]), addresses=ours["addresses"]
            )
        except (ConfigurationError, UnknownContextError) as wrong:
            # One sentence instead of a traceback: it is the operator's to mend, not a bug.
            raise SystemExit(f"This process cannot start: {wrong}") from None
        # A management command's stdout is its answer; the name is the environment's default for one.
        is_command = ours["process_name"].endswith("-manage")
        logs.setup(ours["process_name"], ours["log_level"], stream="stderr" if is_command else "stdout")
        tracing.setup(ours["process_name"], ours["traces_file"])
        trust.configure(keys_dir=ours["keys_dir"])
        backlog.configure(ours.get("outbox_limits", {}))
        unit_of_work.before_begin.append(backlog.look)
        unit_of_work.outbox += (backlog.admit, outbox.append)
        unit_of_work.after_commit.append(wakeup.wake)
        health.register("keys", readiness.ensure_keys)
        metrics.register("messages", figures.collect)
        guard.configure(guard.Policy(**ours.get("guard", {})))
        connection_created.connect(guard.watch, dispatch_uid="fissile.guard")
        for context in registry.installed():
            module = f"{context.package}.consumers"
            if find_spec(module) is not None:
                import_module(module)
        try:
            receivers.ensure_handled(registry.installed())
        except receivers.NobodyTakes as wrong:
            raise SystemExit(f"This process cannot start: {wrong}") from None
