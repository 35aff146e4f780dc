"""`python -m deploy.local.services up|down|status|env|reserve|release`: the private stores of the real tier.

May touch: what the modules beside it may. Exit 3: the servers cannot be had on this machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.local.house import SERVICES_DIR, ServicesMissing, keeper_broker, real_stores
from settings.contexts import CONTEXTS
from settings.roles import contexts_of

from . import databases, docker, install, postgres, rabbitmq
from .instance import DEFAULT_BASE, STARTED, Instance, ServicesError, base_of, is_listening, with_houses

UNAVAILABLE = 3
HOST_PORT = "127.0.0.1:{}"


def up(instance: Instance, roles: Sequence[str] = ()) -> bool:
    """Start what does not run, install and make what is missing; return False when the servers ran already."""
    if postgres.is_running(instance) and rabbitmq.is_running(instance):
        databases.prepare(instance, _sql(instance), roles)
        return False
    missing = _missing()
    if missing and install.can_install():
        install.install(missing)
        missing = _missing()
    if not missing:
        _up_from_binaries(instance)
    elif docker.is_usable():
        docker.postgres_up(instance)
        docker.rabbitmq_up(instance)
    else:
        raise ServicesError(
            f"This machine has no {' and no '.join(missing)}, is not a Debian or Ubuntu where this may be installed"
            " with apt as root, and no Docker daemon runs. Fix: install PostgreSQL 15 or newer and"
            " RabbitMQ, or start Docker"
        )
    databases.prepare(instance, _sql(instance), roles)
    return True


def _up_from_binaries(instance: Instance) -> None:
    broker, binaries = rabbitmq.find_binary(), postgres.find_binaries()
    if broker is None or binaries is None:
        raise ServicesError("The servers were installed and are still not found. Fix: see deploy/local/services")
    # The broker takes 6 s and PostgreSQL 1 s: the first starts while the second is made.
    starting = rabbitmq.begin(instance, broker)
    try:
        postgres.up(instance, binaries)
        rabbitmq.wait(instance, starting)
    except (ServicesError, KeyboardInterrupt):
        if starting:
            rabbitmq.abandon(instance, starting)
        raise


def _missing() -> list[str]:
    missing = [] if postgres.find_binaries() else ["postgresql"]
    return missing + ([] if rabbitmq.find_binary() else ["rabbitmq-server"])


def _sql(instance: Instance) -> databases.Sql:
    binaries = postgres.find_binaries()
    if binaries and not (docker.is_used(instance) and not postgres.is_running(instance)):
        return lambda script: postgres.psql(instance, binaries, script)
    return lambda script: docker.psql(instance, script)


def down(instance: Instance) -> None:
    """Stop both servers and keep their data."""
    rabbitmq.down(instance)
    postgres.down(instance, postgres.find_binaries())
    if docker.is_used(instance):
        docker.down(instance)


def status(instance: Instance) -> bool:
    """Print a line per server; return whether all listen."""
    listening = {name: is_listening(port) for name, port in instance.ports.items()}
    for name, is_up in listening.items():
        print(f"{name:20} {HOST_PORT.format(instance.ports[name])}  {'up' if is_up else 'down'}")
    return all(listening.values())


def environment(instance: Instance, stores: str) -> dict[str, str]:
    """Return the addresses of a process that holds every context.

    For tests the process's own broker address is the keeper's: the library's tests make queues of any name.
    """
    found = real_stores(instance.folder, tuple(CONTEXTS), "all", stores)
    return found | ({"BROKER_URL": keeper_broker(instance.folder, stores)} if instance.for_tests else {})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="services", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status", "env", "reserve", "release"])
    parser.add_argument("name", nargs="?", default="", help="of a set of stores (reserve, release, env)")
    parser.add_argument("--dir", type=Path, default=SERVICES_DIR)
    parser.add_argument(
        "--base", type=int, help=f"ports are this + 32 to 75; else as before, or {DEFAULT_BASE}"
    )
    parser.add_argument(
        "--role", action="append", default=[], dest="roles", type=_role, metavar="ROLE",
        help="also make what a process of this ROLE needs, such as orders,bff (up, reserve); may be repeated",
    )  # fmt: skip
    parser.add_argument("--for-tests", action="store_true", help="roles may create databases")
    parser.add_argument("--durable", action=argparse.BooleanOptionalAction, default=True, help="fsync on")
    parser.add_argument(
        "--tell-started", action="store_true", help=f"exit {STARTED}, not 0, when `up` started them"
    )
    return parser.parse_args()


def _role(text: str) -> str:
    try:
        contexts_of(text)
    except ValueError as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None
    return text


def main() -> int:
    """Run one command; print errors as one paragraph."""
    asked = _arguments()
    folder = asked.dir.resolve()
    try:
        base = base_of(folder, asked.base)
        instance = Instance(folder=folder, base=base, for_tests=asked.for_tests, durable=asked.durable)
        return _run(asked, instance)
    except (ServicesError, ServicesMissing) as wrong:
        print(f"services: {wrong}", file=sys.stderr)
        return UNAVAILABLE
    except KeyboardInterrupt:
        print("services: stopped before they ran", file=sys.stderr)
        return 130


def _run(asked: argparse.Namespace, instance: Instance) -> int:
    match asked.command:
        case "up":
            began = time.monotonic()
            started = up(instance, asked.roles)
            if not asked.tell_started:
                with_houses(instance.folder).unlink(missing_ok=True)
            print(
                f"PostgreSQL {HOST_PORT.format(instance.postgres_port)}"
                f" · RabbitMQ {HOST_PORT.format(instance.amqp_port)}"
                f" · {'started' if started else 'ran already'} ({time.monotonic() - began:.1f} s)"
            )
            return STARTED if started and asked.tell_started else 0
        case "down":
            down(instance)
            print(f"stopped; the data stays in {instance.folder}")
        case "status":
            return 0 if status(instance) else 1
        case "env":
            print(json.dumps(environment(instance, asked.name), indent=2))
        case "reserve":
            databases.reserve(instance, _sql(instance), asked.name, asked.roles)
            print(json.dumps(environment(instance, asked.name), indent=2))
        case "release":
            databases.release(instance, _sql(instance), asked.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
