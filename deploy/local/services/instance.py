"""Where an instance of the services lives: folder, ports, credentials file, and as whom its servers run.

May touch: the instance's folder. PostgreSQL refuses root, so root runs servers as their system user or, when that
user cannot reach the folder (a checkout in a 0700 home), as uid 1000 of a user namespace.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
DEFAULT_BASE = 25400
# The exit code of `services up --tell-started` for servers that were down before.
STARTED = 10


def with_houses(folder: Path) -> Path:
    """Return the file whose presence says that a house started the servers, so that the last house stops them."""
    return folder / "with-houses"


class ServicesError(Exception):
    """A service could not be had; the message says which, why and the fix."""


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One pair of servers."""

    folder: Path
    base: int = DEFAULT_BASE
    for_tests: bool = False  # roles may create databases
    durable: bool = True  # False: fsync off, a power cut may lose the data

    @property
    def postgres_port(self) -> int:
        """Return where PostgreSQL listens."""
        return self.base + 32

    @property
    def amqp_port(self) -> int:
        """Return where RabbitMQ listens."""
        return self.base + 72

    @property
    def management_port(self) -> int:
        """Return where RabbitMQ's management API listens."""
        return self.base + 73

    @property
    def distribution_port(self) -> int:
        """Return the Erlang node's own port."""
        return self.base + 75

    @property
    def epmd_port(self) -> int:
        """Return the port of the node's private Erlang port mapper."""
        return self.base + 69

    @property
    def ports(self) -> dict[str, int]:
        """Return the ports to ask for `is it up`."""
        return {
            "postgres": self.postgres_port,
            "rabbitmq": self.amqp_port,
            "rabbitmq management": self.management_port,
        }

    def credentials(self) -> dict[str, Any]:
        """Return ports, accounts and passwords, made on first use and kept readable for the owner only."""
        if self._file.exists():
            found: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
            return found
        made = {
            "postgres": {
                "host": HOST,
                "port": self.postgres_port,
                "superuser": "postgres",
                "superuser_password": secrets.token_hex(16),
                "passwords": {},
            },
            "rabbitmq": {
                "host": HOST,
                "port": self.amqp_port,
                "management_port": self.management_port,
                "vhost": "fissile",
                "keeper": "keeper",  # may make vhosts and users; the shop never has it
                "keeper_password": secrets.token_hex(16),
                "passwords": {},
            },
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write(made)
        return made

    def complete(self, owners: Iterable[str]) -> None:
        """Make passwords, on either server, for owners that have none yet; the others keep theirs."""
        found = self.credentials()
        wanted = dict.fromkeys(owners)
        for server in ("postgres", "rabbitmq"):
            known = found[server].setdefault("passwords", {})
            found[server]["passwords"] = known | {
                owner: secrets.token_hex(16) for owner in wanted if owner not in known
            }
        self._write(found)

    def forget_shared_user(self) -> None:
        """Leave out the one broker user of an instance that was made before each context had its own."""
        found = self.credentials()
        for name in ("user", "password"):
            found["rabbitmq"].pop(name, None)
        self._write(found)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold off other commands that change accounts and stores of this instance."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "accounts.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @property
    def _file(self) -> Path:
        return self.folder / "credentials.json"

    def _write(self, found: Mapping[str, Any]) -> None:
        write_private(self._file, json.dumps(found, indent=2) + "\n")


def base_of(folder: Path, wanted: int | None) -> int:
    """Return the base port of a folder's instance: the one it was made with, else the wanted one."""
    try:
        made_with = json.loads((folder / "credentials.json").read_text(encoding="utf-8"))["postgres"]["port"] - 32
    except FileNotFoundError:
        return wanted or DEFAULT_BASE
    if wanted not in (None, made_with):
        raise ServicesError(
            f"The services of {folder} were made on base port {made_with}, not {wanted}. Fix: leave SERVICES_BASE out,"
            f" or stop them and remove {folder} to make them again (their data goes too)"
        )
    return int(made_with)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    beside.replace(path)


def is_listening(port: int) -> bool:
    """Return whether something accepts connections on the loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((HOST, port)) == 0


def is_alive(pid_file: Path) -> bool:
    """Return whether the process named in a server's pid file runs and is that server, not a later owner of the id."""
    pid = pid_of(pid_file)
    return pid is not None and runs_from(pid, pid_file.parent)


def runs_from(pid: int, folder: Path) -> bool:
    """Return whether a process lives and carries this folder in its command line, as both servers do."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        asked = subprocess.run(
            ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        command = asked.stdout
    return str(folder) in command


def pid_of(pid_file: Path) -> int | None:
    """Return the process id in the first line of a pid file, if there is one."""
    try:
        return int(pid_file.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return None


def wait_until(what: str, done: Callable[[], bool], seconds: float, log: Path | None = None) -> None:
    """Ask every 50 ms; raise ServicesError with the end of the log when time is up."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise ServicesError(f"{what} did not happen within {seconds:.0f} s.{tail(log)}")
        time.sleep(0.05)


def tail(log: Path | None) -> str:
    """Return the end of a log for an error message."""
    if log is None or not log.exists():
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
    return f" The end of {log}:\n  " + "\n  ".join(lines)


def as_server(user: str, home: Path, command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Return the command that runs a server as somebody who is not root, its home being its folder."""
    laid_over = ["env", f"HOME={home}", *(f"{name}={value}" for name, value in environment.items())]
    return [*_becoming(user, home), *laid_over, *command]


def own(user: str, home: Path) -> None:
    """Make a server's folder, private to whom the server runs as."""
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    if "setpriv" in _becoming(user, home)[:1]:
        subprocess.run(["chown", "-R", f"{user}:", str(home)], check=True)


def _becoming(user: str, home: Path) -> list[str]:
    if os.geteuid() != 0:
        return []
    if _can_reach(user, home):
        return ["setpriv", "--reuid", user, "--regid", user, "--init-groups"]
    if shutil.which("unshare"):
        return ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
    raise ServicesError(
        f"Servers do not run as root, and the user {user} cannot reach {home}. Fix: run as an ordinary user, or put"
        " the checkout where every parent folder can be entered (not below a 0700 home)"
    )


def _can_reach(user: str, home: Path) -> bool:
    try:
        wanted = pwd.getpwnam(user)
    except KeyError:
        return False
    if not shutil.which("setpriv"):
        return False
    # The server's own folder is handed over; what counts is the way to it.
    for parent in home.parents:
        if parent.exists() and parent.stat().st_uid != wanted.pw_uid and not parent.stat().st_mode & 0o001:
            return False
    return True
