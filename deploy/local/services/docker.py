"""The same two servers from a running Docker daemon, for machines that have neither binaries nor apt.

May touch: two containers named after the instance's folder. Their data lives in the containers: `down` keeps them.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess

from . import broker
from .instance import HOST, Instance, ServicesError, is_listening, wait_until

POSTGRES_IMAGE = "postgres:16"
RABBITMQ_IMAGE = "rabbitmq:3.13-management"


def is_usable() -> bool:
    """Return whether a Docker daemon answers; one that is installed but stopped is left alone."""
    if not shutil.which("docker"):
        return False
    asked = subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=20)
    return asked.returncode == 0


def postgres_up(instance: Instance) -> None:
    """Start PostgreSQL's container, made on first use."""
    found = instance.credentials()["postgres"]
    settings = [
        "-c",
        "wal_level=logical",
        "-c",
        "timezone=UTC",
        "-c",
        f"fsync={'on' if instance.durable else 'off'}",
    ]
    variables = {"POSTGRES_PASSWORD": found["superuser_password"], "POSTGRES_INITDB_ARGS": "-A scram-sha-256"}
    ports = {instance.postgres_port: 5432}
    _start(instance, "postgres", POSTGRES_IMAGE, ports, variables, settings)
    name = _name(instance, "postgres")
    # pg_isready over TCP: the image first starts a server for itself that listens on a socket only.
    probe = ["docker", "exec", name, "pg_isready", "-q", "-h", HOST]
    wait_until("PostgreSQL's answer", lambda: subprocess.run(probe, check=False).returncode == 0, seconds=60)


def rabbitmq_up(instance: Instance) -> None:
    """Start RabbitMQ's container, made on first use."""
    found = instance.credentials()["rabbitmq"]
    variables = {
        "RABBITMQ_DEFAULT_USER": found["keeper"],
        "RABBITMQ_DEFAULT_PASS": found["keeper_password"],
        "RABBITMQ_DEFAULT_VHOST": found["vhost"],
        "RABBITMQ_NODENAME": "fissile@localhost",
    }
    ports = {instance.amqp_port: 5672, instance.management_port: 15672}
    _start(instance, "rabbitmq", RABBITMQ_IMAGE, ports, variables, [])
    answers = lambda: is_listening(instance.amqp_port) and broker.answers(instance)  # noqa: E731
    wait_until("RabbitMQ's answer", answers, seconds=90)


def psql(instance: Instance, script: str) -> str:
    """Run statements as the superuser inside the container; return what they print."""
    command = ["docker", "exec", "-i", _name(instance, "postgres"), "psql", "-X", "-q", "-A", "-t"]
    return _docker([*command, "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres"], script)


def down(instance: Instance) -> None:
    """Stop this instance's containers, if there are any."""
    for service in ("postgres", "rabbitmq"):
        if _exists(_name(instance, service)):
            _docker(["docker", "stop", "-t", "20", _name(instance, service)])


def is_used(instance: Instance) -> bool:
    """Return whether this instance ever ran in Docker."""
    return is_usable() and _exists(_name(instance, "postgres"))


def _name(instance: Instance, service: str) -> str:
    return f"fissile-{hashlib.sha256(str(instance.folder).encode()).hexdigest()[:8]}-{service}"


def _exists(name: str) -> bool:
    return subprocess.run(["docker", "inspect", name], capture_output=True, check=False).returncode == 0


def _start(
    instance: Instance,
    service: str,
    image: str,
    ports: dict[int, int],
    variables: dict[str, str],
    arguments: list[str],
) -> None:
    name = _name(instance, service)
    if _exists(name):
        _docker(["docker", "start", name])
        return
    published = [word for ours, theirs in ports.items() for word in ("-p", f"{HOST}:{ours}:{theirs}")]
    told = [word for key, value in variables.items() for word in ("-e", f"{key}={value}")]
    _docker(["docker", "run", "-d", "--name", name, *published, *told, image, *arguments])


def _docker(command: list[str], script: str = "") -> str:
    ran = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise ServicesError(f"{' '.join(command[:3])} failed: {ran.stderr.strip()[-600:]}")
    return ran.stdout
