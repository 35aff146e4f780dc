"""THE process table: which processes a local house has, with argv, environment, port and health address.

May touch: the credentials file of the private services. Starts nothing; knows no Django. The supervisor and the
test kit both read it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from settings.contexts import CONTEXTS, GATEWAY_PORT, MONOLITH_PORT

ROOT = Path(__file__).resolve().parent.parent.parent
HOST = "127.0.0.1"
# `make test` gives the tests an instance of their own, so that a running shop's data is no part of them.
SERVICES_DIR = Path(os.environ.get("SERVICES_DIR") or ROOT / ".run" / "services")
Tier = Literal["embedded", "real"]
Kind = Literal["gateway", "web", "worker"]
# A stop goes through the kinds in this order: no new work, then no requests, then the relay may drain.
STOP_ORDER: tuple[Kind, ...] = ("gateway", "web", "worker")


@dataclass(frozen=True)
class Group:
    """Contexts that live in one web process and one worker; a topology is a list of these."""

    contexts: tuple[str, ...]

    @property
    def role(self) -> str:
        """Return the ROLE of its processes: all, one name, or names joined by commas."""
        return "all" if set(self.contexts) == set(CONTEXTS) else ",".join(self.contexts)

    @property
    def port_offset(self) -> int:
        """Return the web port's distance from the gateway's."""
        port = MONOLITH_PORT if self.role == "all" else int(CONTEXTS[self.contexts[0]]["port"])
        return port - GATEWAY_PORT

    def process_name(self, kind: Kind) -> str:
        """Return web and worker in the monolith, users-web and users-worker elsewhere."""
        return kind if self.role == "all" else f"{'-'.join(self.contexts)}-{kind}"


MONOLITH = (Group(tuple(CONTEXTS)),)
SPLIT = tuple(Group((name,)) for name in CONTEXTS)
TOPOLOGIES: Mapping[str, tuple[Group, ...]] = {"monolith": MONOLITH, "split": SPLIT}


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process of a house, ready to be started from ROOT."""

    name: str
    kind: Kind
    role: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]  # to be laid over the caller's own
    port: int | None = None

    @property
    def health_url(self) -> str | None:
        """Return where it says that it lives; a worker has no address."""
        return f"http://{HOST}:{self.port}/healthz" if self.port else None

    @property
    def ready_url(self) -> str | None:
        """Return where it says that its dependencies answer too."""
        return f"http://{HOST}:{self.port}/readyz" if self.port else None


@dataclass(frozen=True, kw_only=True)
class House:
    """A shop on this machine: any cut, either tier, anywhere in the port range.

    stores: "" for the shop's own databases on the real tier, else the name given to `services reserve`.
    prefixes: words put before a process's argv, by process name ("*" for all).
    extra: variables laid over a process's environment, by process name ("*" for all).
    """

    groups: tuple[Group, ...] = MONOLITH
    tier: Tier = "embedded"
    base_port: int = GATEWAY_PORT
    state_dir: Path = ROOT / ".run"
    services_dir: Path = SERVICES_DIR
    stores: str = ""
    python: str = sys.executable
    prefixes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    extra: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def topology(self) -> str:
        """Return monolith, split, or the groups of any other cut: `users | orders+bff`."""
        for name, groups in TOPOLOGIES.items():
            if groups == self.groups:
                return name
        return " | ".join("+".join(group.contexts) for group in self.groups)

    @property
    def gateway_url(self) -> str:
        """Return the shop's public address."""
        return f"http://{HOST}:{self.base_port}"

    def port(self, group: Group) -> int:
        """Return the port of a group's web process."""
        return self.base_port + group.port_offset

    def url(self, context: str) -> str:
        """Return where the web process that holds a context listens."""
        return next(f"http://{HOST}:{self.port(group)}" for group in self.groups if context in group.contexts)

    def processes(self) -> tuple[Process, ...]:
        """Return the whole table, in the order of starting."""
        webs = [self._web(group) for group in self.groups]
        workers = [self._worker(group) for group in self.groups]
        return (*webs, *workers, self._gateway())

    def management(self, group: Group) -> dict[str, str]:
        """Return the environment of a management command for a group's role."""
        return self._environment(f"{group.role}-manage", group)

    def _web(self, group: Group) -> Process:
        name, port = group.process_name("web"), self.port(group)
        argv = ("-m", "gunicorn", "settings.wsgi:application", "-c", "deploy/local/gunicorn.conf.py")
        return self._process(name, "web", group, (*argv, "--bind", f"{HOST}:{port}"), port)

    def _worker(self, group: Group) -> Process:
        name = group.process_name("worker")
        argv = ("-m", "celery", "-q", "-A", "settings.celery:app", "worker", "-P", "solo", "-l", "INFO")
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "-n", f"{name}@%h")
        worker = self._process(name, "worker", group, (*argv, *quiet), None)
        # Celery warns root at every start; the house runs its processes as whoever started it, loopback only.
        silenced = {"PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges"}
        return replace(worker, environment=silenced | dict(worker.environment))

    def _gateway(self) -> Process:
        argv = ("-m", "gateway_app", "--host", HOST, "--port", str(self.base_port))
        return self._process("gateway", "gateway", None, argv, self.base_port)

    def _process(
        self, name: str, kind: Kind, group: Group | None, arguments: tuple[str, ...], port: int | None
    ) -> Process:
        prefix = self.prefixes.get(name, self.prefixes.get("*", ()))
        return Process(
            name=name,
            kind=kind,
            role=group.role if group else "gateway",
            argv=(*prefix, self.python, *arguments),
            environment=self._environment(name, group),
            port=port,
        )

    def _environment(self, name: str, group: Group | None) -> dict[str, str]:
        near = group.contexts if group else ()
        far = {context: self.url(context) for context in CONTEXTS if context not in near}
        found = {
            "ROLE": group.role if group else "gateway",
            "TOPOLOGY": " ".join(f"{context}={url}" for context, url in far.items()),
            "TIER": self.tier,
            "STATE_DIR": str(self.state_dir),
            "PROCESS_NAME": name,
            "DEBUG": "true",
            "DJANGO_SETTINGS_MODULE": "settings.local",
            "PYTHONUNBUFFERED": "1",
        }
        if self.tier == "real" and group:
            found |= real_stores(self.services_dir, group.contexts, group.role, self.stores)
        return found | dict(self.extra.get("*", {})) | dict(self.extra.get(name, {}))


def real_stores(services_dir: Path, contexts: Sequence[str], role: str, stores: str = "") -> dict[str, str]:
    """Return the database and broker addresses of a role on the private services.

    Raise ServicesMissing when the services were never started in that folder.
    """
    found = credentials(services_dir)
    postgres, rabbit = found["postgres"], found["rabbitmq"]
    aliases = {name: name for name in contexts} | {"operations": f"operations_{role.replace(',', '_')}"}
    addresses = {}
    for alias, owner in aliases.items():
        login = f"{owner}:{quote(postgres['passwords'][owner], safe='')}"
        name = f"{stores}_{owner}" if stores else owner
        addresses[f"{alias.upper()}_DATABASE_URL"] = f"postgres://{login}@{HOST}:{postgres['port']}/{name}"
    login = f"{rabbit['user']}:{quote(rabbit['password'], safe='')}"
    addresses["BROKER_URL"] = f"amqp://{login}@{HOST}:{rabbit['port']}/{stores or rabbit['vhost']}"
    return addresses


class ServicesMissing(Exception):
    """The real tier was asked for, but its private services were never started."""


def credentials(services_dir: Path) -> dict[str, Any]:
    """Return what `make services` wrote: ports, roles and passwords. Raise ServicesMissing."""
    path = services_dir / "credentials.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as wrong:
        raise ServicesMissing(
            f"The real tier needs the private services, and {path} cannot be read ({wrong}). Fix: make services"
        ) from None
    return found
