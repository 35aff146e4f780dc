"""The private RabbitMQ: find it, write its configuration, start, stop.

May touch: <instance>/rabbitmq and the instance's ports, its own epmd included.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

from . import broker
from .instance import (
    HOST,
    Instance,
    ServicesError,
    as_server,
    is_alive,
    is_listening,
    own,
    pid_of,
    runs_from,
    tail,
    wait_until,
    write_private,
)

USER = "rabbitmq"
# Above the one in use, or below the other that is free, it takes no more from publishers.
MEMORY_LIMIT, DISK_LIMIT = "512MB", "200MB"
# Not the rabbitmq-server on PATH: Debian's wrapper there moves to the packaged data folder and drops the environment.
_PLACES = (
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/usr/lib/rabbitmq/lib/*/sbin/rabbitmq-server",
    "/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server",
    "/usr/local/opt/rabbitmq/sbin/rabbitmq-server",
)


def find_binary() -> Path | None:
    """Return the server's own start script, if it is on this machine."""
    found = [path for place in _PLACES for path in sorted(Path("/").glob(place[1:]))]
    return found[-1] if found else None


def begin(instance: Instance, binary: Path) -> subprocess.Popen[bytes] | None:
    """Start the server without waiting (it takes 6 s); return None when it runs already."""
    home = instance.folder / "rabbitmq"
    if is_running(instance):
        return None
    for port in (instance.amqp_port, instance.management_port, instance.distribution_port):
        if is_listening(port):
            raise ServicesError(
                f"Port {port} is taken by something that is not this checkout's RabbitMQ."
                " Fix: stop it, or use other ports: make services SERVICES_BASE=26400"
            )
    (home / "pid").unlink(missing_ok=True)
    _configure(instance, home)
    own(USER, home)
    with (home / "out").open("ab") as out:
        return subprocess.Popen(
            as_server(USER, home, [str(binary)], _environment(instance, home)),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def wait(instance: Instance, starting: subprocess.Popen[bytes] | None) -> None:
    """Wait until the broker and its management API answer; the broker's port opens first."""
    home = instance.folder / "rabbitmq"

    def is_settled() -> bool:
        has_died = starting is not None and starting.poll() is not None
        return has_died or (is_listening(instance.amqp_port) and broker.answers(instance))

    wait_until(f"RabbitMQ's answer on port {instance.amqp_port}", is_settled, seconds=90, log=home / "out")
    if not broker.answers(instance):
        raise ServicesError(f"RabbitMQ ended at once.{tail(home / 'out')}")


def abandon(instance: Instance, starting: subprocess.Popen[bytes]) -> None:
    """Take back a start whose other half failed; it may not have written its pid file yet."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(starting.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        starting.wait(timeout=30)
    down(instance)


def down(instance: Instance) -> None:
    """Stop the server and its port mapper; nothing to do when they do not run."""
    home = instance.folder / "rabbitmq"
    pid = pid_of(home / "pid")
    if pid and runs_from(pid, home):
        os.kill(pid, signal.SIGTERM)
        # It takes its pid file away first and its ports last.
        wait_until("RabbitMQ's stop", lambda: not runs_from(pid, home), seconds=60)
    epmd = shutil.which("epmd") or "/usr/bin/epmd"
    if is_listening(instance.epmd_port) and Path(epmd).exists():
        subprocess.run(
            [epmd, "-port", str(instance.epmd_port), "-kill"],
            env=os.environ | {"ERL_EPMD_PORT": str(instance.epmd_port)},
            capture_output=True,
            check=False,
        )


def control(instance: Instance, *words: str) -> None:
    """Run the server's own `rabbitmqctl` on this instance; raise ServicesError with what it said."""
    binary, home = find_binary(), instance.folder / "rabbitmq"
    if binary is None:
        raise ServicesError("RabbitMQ is not on this machine. Fix: apt-get install rabbitmq-server")
    # A port of its own: the server's is for the server.
    environment = {name: value for name, value in _environment(instance, home).items() if "DIST_PORT" not in name}
    command = as_server(USER, home, [str(binary.with_name("rabbitmqctl")), *words], environment)
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise ServicesError(f"rabbitmqctl {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")


def is_running(instance: Instance) -> bool:
    """Return whether this instance's own server runs and listens."""
    return is_alive(instance.folder / "rabbitmq" / "pid") and is_listening(instance.amqp_port)


def _environment(instance: Instance, home: Path) -> dict[str, str]:
    return {
        # @localhost: a machine that is renamed keeps its data folder, and no name must resolve.
        "RABBITMQ_NODENAME": f"fissile{instance.base}@localhost",
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_CONF_ENV_FILE": str(home / "missing.conf"),  # else the packaged one is read
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "RABBITMQ_DIST_PORT": str(instance.distribution_port),
        "ERL_EPMD_PORT": str(instance.epmd_port),
        "ERL_EPMD_ADDRESS": HOST,
        # +sbwt none: two idle schedulers must not spin on a small machine.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none",
    }


def _configure(instance: Instance, home: Path) -> None:
    found = instance.credentials()["rabbitmq"]
    home.mkdir(parents=True, exist_ok=True)
    cookie = home / ".erlang.cookie"
    if not cookie.exists():
        write_private(cookie, secrets.token_hex(16))
        cookie.chmod(0o400)
    (home / "enabled_plugins").write_text("[rabbitmq_management].\n", encoding="ascii")
    settings = {
        "listeners.tcp.1": f"{HOST}:{instance.amqp_port}",
        "management.tcp.ip": HOST,
        "management.tcp.port": instance.management_port,
        "log.file.level": "warning",
        "log.console": "false",
        "vm_memory_high_watermark.absolute": MEMORY_LIMIT,
        "disk_free_limit.absolute": DISK_LIMIT,
        # The first start makes this administrator in place of guest, which so never exists.
        "default_user": found["keeper"],
        "default_pass": found["keeper_password"],
        "default_vhost": found["vhost"],
        "default_user_tags.administrator": "true",
    }
    write_private(home / "rabbitmq.conf", "".join(f"{name} = {value}\n" for name, value in settings.items()))
