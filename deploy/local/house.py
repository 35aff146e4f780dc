"""THE process table: which processes a local house has, with argv, environment, ports and health address.

May touch: the credentials file of the private services, folders below `state_dir`. Starts nothing; knows no Django.
The supervisor and the test kit both read it.
"""

from __future__ import annotations

import hashlib
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
    """Contexts that share a web process and a worker, `instances` of each; a topology is a list of these."""

    contexts: tuple[str, ...]
    instances: int = 1

    @property
    def role(self) -> str:
        """Return the ROLE of its processes: all, one name, or names joined by commas."""
        return "all" if set(self.contexts) == set(CONTEXTS) else ",".join(self.contexts)

    @property
    def port_offset(self) -> int:
        """Return the web port's distance from the gateway's."""
        port = MONOLITH_PORT if self.role == "all" else int(CONTEXTS[self.contexts[0]]["port"])
        return port - GATEWAY_PORT

    @property
    def numbers(self) -> range:
        """Return the numbers of its instances, from 1."""
        return range(1, self.instances + 1)

    def process_name(self, kind: Kind, number: int = 1) -> str:
        """Return web and worker in the monolith, users-web and users-worker elsewhere, users-web-1 of several."""
        name = kind if self.role == "all" else f"{'-'.join(self.contexts)}-{kind}"
        return name if self.instances == 1 else f"{name}-{number}"


def _topologies() -> dict[str, tuple[Group, ...]]:
    names = tuple(CONTEXTS)
    one_out = {f"{out}-out": (Group((out,)), Group(tuple(name for name in names if name != out))) for out in names}
    alone = tuple(Group((name,)) for name in names)
    twice = tuple(Group((name,), instances=2) for name in names)
    return {"monolith": (Group(names),), **one_out, "split": alone, "split-twice": twice}


# Every cut that is shown to change nothing: whole, each context out alone, all out, all out twice.
TOPOLOGIES: Mapping[str, tuple[Group, ...]] = _topologies()
MONOLITH, SPLIT = TOPOLOGIES["monolith"], TOPOLOGIES["split"]
# The private services make stores for these; for any other cut they are told: `services up --role orders,bff`.
SHIPPED_ROLES = tuple(dict.fromkeys(group.role for groups in TOPOLOGIES.values() for group in groups))


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process of a house, ready to be started from ROOT."""

    name: str
    kind: Kind
    role: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]  # to be laid over the caller's own
    port: int | None = None  # where this very process answers
    shared_port: int | None = None  # where it answers as one of several

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
        """Return the cut's name, or the groups of one that has none: `users ×2 | orders+bff`."""
        for name, groups in TOPOLOGIES.items():
            if set(groups) == set(self.groups):
                return name
        return " | ".join(
            "+".join(group.contexts) + (f" ×{group.instances}" if group.instances > 1 else "") for group in self.groups
        )

    @property
    def gateway_url(self) -> str:
        """Return the shop's public address."""
        return f"http://{HOST}:{self.base_port}"

    def port(self, group: Group) -> int:
        """Return the port of a group's web processes; several share it."""
        return self.base_port + group.port_offset

    def own_port(self, group: Group, number: int) -> int:
        """Return the port on which one of a group's web processes answers alone."""
        if group.instances == 1:
            return self.port(group)
        # Above the monolith's, which is free where there are several of anything.
        return self.base_port + MONOLITH_PORT - GATEWAY_PORT + group.port_offset * group.instances + number - 1

    def url(self, context: str) -> str:
        """Return where the web process that holds a context listens."""
        return next(f"http://{HOST}:{self.port(group)}" for group in self.groups if context in group.contexts)

    def processes(self) -> tuple[Process, ...]:
        """Return the whole table, in the order of starting."""
        webs = [self._web(group, number) for group in self.groups for number in group.numbers]
        workers = [self._worker(group, number) for group in self.groups for number in group.numbers]
        return (*webs, *workers, self._gateway())

    def management(self, group: Group) -> dict[str, str]:
        """Return the environment of a management command for a group's role."""
        return self._environment(f"{group.role}-manage", group)

    def make_folders(self) -> None:
        """Make the folders that its processes expect below `state_dir`. Raise OSError."""
        for name in ("logs", "embedded", "hold"):
            (self.state_dir / name).mkdir(parents=True, exist_ok=True)
        environments = [process.environment for process in self.processes()]
        environments += [self.management(group) for group in self.groups]
        for folder in {environment["TMPDIR"] for environment in environments if "TMPDIR" in environment}:
            Path(folder).mkdir(parents=True, exist_ok=True)

    def _web(self, group: Group, number: int) -> Process:
        name, port = group.process_name("web", number), self.own_port(group, number)
        serve = ("-m", "gunicorn", "settings.wsgi:application", "-c", "deploy/local/gunicorn.conf.py")
        argv = (*serve, "--bind", f"{HOST}:{port}")
        if group.instances == 1:
            return self._process(name, "web", group, argv, port)
        # The kernel deals new connections out among the listeners of one port. A kept connection
        # would stay with one of them, and that one would do all of a quiet shop's work.
        shared = ("--bind", f"{HOST}:{self.port(group)}", "--reuse-port", "--keep-alive", "0")
        return replace(self._process(name, "web", group, (*argv, *shared), port), shared_port=self.port(group))

    def _worker(self, group: Group, number: int) -> Process:
        name = group.process_name("worker", number)
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
            # Of its own: a file that one process leaves for another would be there on one machine only.
            "TMPDIR": str(self.state_dir / "tmp" / name.replace(",", "-")),
            "DEBUG": "true",
            "DJANGO_SETTINGS_MODULE": "settings.local",
            "PYTHONUNBUFFERED": "1",
            # A process that an extension ends (SIGSEGV) leaves the stacks of its threads in its log.
            "PYTHONFAULTHANDLER": "1",
        }
        if self.tier == "real" and group:
            found |= real_stores(self.services_dir, group.contexts, group.role, self.stores)
        return found | dict(self.extra.get("*", {})) | dict(self.extra.get(name, {}))


def operations_owner(role: str) -> str:
    """Return who owns what a process of a role keeps for itself: its operators' database, its task queue."""
    name = f"operations_{role.replace(',', '__')}"
    # A set's name of 20 and this fit into the 63 bytes of a PostgreSQL name, which cuts longer ones silently.
    return name if len(name) <= 40 else f"operations_{hashlib.sha256(role.encode()).hexdigest()[:24]}"


def real_stores(services_dir: Path, contexts: Sequence[str], role: str, stores: str = "") -> dict[str, str]:
    """Return the database and broker addresses of a role on the private services, each context with its own account.

    Raise ServicesMissing when the services were never started in that folder, or not for this role.
    """
    found = credentials(services_dir)
    owners = {name.upper(): name for name in contexts} | {"OPERATIONS": operations_owner(role)}
    try:
        databases = {f"{alias}_DATABASE_URL": _database(found, owner, stores) for alias, owner in owners.items()}
        brokers = {f"{alias}_BROKER_URL": _broker(found, owner, stores) for alias, owner in owners.items()}
    except KeyError as missing:
        raise ServicesMissing(
            f"The private services in {services_dir} have no account {missing} yet. Fix: make services; for a cut of"
            f" your own: .venv/bin/python -m deploy.local.services up --role {role}"
        ) from None
    # The process's own, of its task queue.
    brokers["BROKER_URL"] = brokers.pop("OPERATIONS_BROKER_URL")
    return databases | brokers


def keeper_broker(services_dir: Path, stores: str = "") -> str:
    """Return the broker's address of its administrator: for tests and people, never for a process of a house."""
    rabbit = credentials(services_dir)["rabbitmq"]
    login = f"{rabbit['keeper']}:{quote(rabbit['keeper_password'], safe='')}"
    return f"amqp://{login}@{HOST}:{rabbit['port']}/{stores or rabbit['vhost']}"


def _database(found: Mapping[str, Any], owner: str, stores: str) -> str:
    postgres = found["postgres"]
    login = f"{owner}:{quote(postgres['passwords'][owner], safe='')}"
    return f"postgres://{login}@{HOST}:{postgres['port']}/{f'{stores}_{owner}' if stores else owner}"


def _broker(found: Mapping[str, Any], owner: str, stores: str) -> str:
    rabbit = found["rabbitmq"]
    # An instance from before each context had a user has none of these.
    login = f"{owner}:{quote(rabbit.get('passwords', {})[owner], safe='')}"
    return f"amqp://{login}@{HOST}:{rabbit['port']}/{stores or rabbit['vhost']}"


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


def _ports() -> range:
    houses = [House(groups=groups, base_port=0) for groups in TOPOLOGIES.values()]
    return range(1 + max(process.port or 0 for house in houses for process in house.processes()))


# Distances from the base port within which every port of every cut lies.
PORTS = _ports()
