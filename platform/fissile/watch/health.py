"""Health: is this process alive, and is it ready, dependency by dependency. Never asks another service.

May touch: each database of this process, read only. Upper floors add their own checks with `register`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from threading import Lock
from typing import Any

from django.conf import settings
from django.db import connections, router
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse, JsonResponse

from . import drain
from .redaction import redact_text

# A probe is asked every second or so: a dependency that needs longer is not ready.
DEADLINE_SECONDS = 2.0

_DUMMY = "django.db.backends.dummy"
Check = Callable[[], None]
_checks: dict[str, Check] = {}
_running: dict[str, Future[None]] = {}
_running_lock = Lock()


class NotReady(Exception):
    """A dependency is not usable; the message says what to do."""


def register(name: str, check: Check) -> None:
    """Add a dependency to /readyz. `check` returns if it is usable and raises if not; it may take DEADLINE_SECONDS."""
    _checks[name] = check


def healthz(request: HttpRequest) -> HttpResponse:
    """Say that this process runs and answers. Depends on nothing: a restart would not mend a database."""
    return _answer(200, {"status": "alive", "process": settings.FISSILE["process_name"]})


def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether work may be sent here, and if not, which dependency by name is missing."""
    found = dependencies()
    if drain.is_draining():
        found["drain"] = {"status": "down", "reason": "draining: this process was told to stop"}
    ready = all(one["status"] == "up" for one in found.values())
    status = "ready" if ready else "draining" if drain.is_draining() else "not_ready"
    return _answer(200 if ready else 503, {"status": status, "dependencies": found})


def dependencies() -> dict[str, dict[str, Any]]:
    """Check every dependency at once, within DEADLINE_SECONDS; `{name: {status, reason?, milliseconds}}`."""
    checks = {**{f"database {alias}": _database(alias) for alias in _aliases()}, **_checks}
    started = time.monotonic()
    running = {name: _start(name, check) for name, check in checks.items()}
    return {name: _outcome(future, started) for name, future in running.items()}


def _answer(status: int, body: dict[str, Any]) -> JsonResponse:
    response = JsonResponse(body, status=status, headers={"Cache-Control": "no-store"})
    # A probe's 503 is an answer, not an error; Django would log each one.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _aliases() -> list[str]:
    # Django fills an empty `default` with its dummy engine.
    return [alias for alias, row in settings.DATABASES.items() if row.get("ENGINE", _DUMMY) != _DUMMY]


@cache
def _pool() -> ThreadPoolExecutor:
    # Made at the first probe, so after a fork.
    return ThreadPoolExecutor(max_workers=8, thread_name_prefix="readyz")


def _start(name: str, check: Check) -> Future[None]:
    # A check that hangs is joined, not started again: probes must not pile up.
    with _running_lock:
        before = _running.get(name)
        if before is None or before.done():
            _running[name] = before = _pool().submit(check)
        return before


def _outcome(future: Future[None], started: float) -> dict[str, Any]:
    left = started + DEADLINE_SECONDS - time.monotonic()
    try:
        future.result(timeout=max(0.0, left))
    except TimeoutError:
        return {"status": "down", "reason": f"no answer within {DEADLINE_SECONDS:g} s"}
    except Exception as wrong:  # noqa: BLE001 - whatever it is, the dependency is not usable
        sentence = str(wrong).strip().splitlines()[0] if str(wrong).strip() else type(wrong).__name__
        return {"status": "down", "reason": redact_text(sentence)[:300]}
    return {"status": "up", "milliseconds": round((time.monotonic() - started) * 1000, 1)}


def _database(alias: str) -> Check:
    """Return a check: a new connection to `alias` can be made and every migration of its apps is applied."""

    def check() -> None:
        connection = connections[alias]
        try:
            with connection.cursor() as cursor:
                if "django_migrations" not in connection.introspection.table_names(cursor):
                    raise NotReady(f"{alias} is empty; run: manage.py migrate --database {alias}")
                cursor.execute("SELECT app, name FROM django_migrations")
                missing = sorted(_newest_migrations(alias) - set(cursor.fetchall()))
        finally:
            # This thread's own connection: probes keep none.
            connection.close()
        if missing:
            named = ", ".join(f"{app}.{name}" for app, name in missing)
            raise NotReady(f"not migrated ({named}); run: manage.py migrate --database {alias}")

    return check


@cache
def _newest_migrations(alias: str) -> frozenset[tuple[str, str]]:
    # The code's migrations do not change while the process runs.
    leaves = MigrationLoader(None).graph.leaf_nodes()
    return frozenset((app, name) for app, name in leaves if router.allow_migrate(alias, app))
