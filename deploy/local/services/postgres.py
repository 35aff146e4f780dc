"""The private PostgreSQL: find it, make its data folder, start, stop, make roles and databases.

May touch: <instance>/postgres and the instance's port.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .instance import HOST, Instance, ServicesError, as_server, is_alive, is_listening, own, write_private

OLDEST = 15
USER = "postgres"
_PLACES = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # Red Hat
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)


def find_binaries() -> Path | None:
    """Return the folder of the newest PostgreSQL on this machine that is new enough."""
    folders = [Path(found) for place in _PLACES for found in sorted(Path("/").glob(place[1:]))]
    on_path = shutil.which("postgres")
    folders += [Path(on_path).resolve().parent] if on_path else []
    good = [(version, folder) for folder in folders if (version := _version(folder)) >= OLDEST]
    return max(good)[1] if good else None


def _version(folder: Path) -> int:
    if not all((folder / name).exists() for name in ("postgres", "initdb", "pg_ctl", "psql")):
        return 0
    said = subprocess.run(
        [str(folder / "postgres"), "--version"], capture_output=True, text=True, check=False
    ).stdout
    number = said.split()[2].split(".")[0] if len(said.split()) > 2 else ""
    return int(number) if number.isdigit() else 0


def up(instance: Instance, binaries: Path) -> None:
    """Start the server, made on first use; nothing to do when it runs."""
    home = instance.folder / "postgres"
    data = home / "data"
    if is_running(instance):
        return
    if is_listening(instance.postgres_port):
        raise ServicesError(
            f"Port {instance.postgres_port} is taken by something that is not this checkout's PostgreSQL."
            " Fix: stop it, or use other ports: make services SERVICES_BASE=26400"
        )
    own(USER, home)
    if not (data / "PG_VERSION").exists():
        _make_data_folder(instance, binaries, home)
    _write_settings(instance, home)
    own(USER, home)
    start = [str(binaries / "pg_ctl"), "-D", str(data), "-l", str(home / "log"), "-w", "-t", "60", "start"]
    _run(instance, start, "PostgreSQL did not start", log=home / "log")


def down(instance: Instance, binaries: Path | None) -> None:
    """Stop the server; nothing to do when it does not run."""
    if binaries and is_running(instance):
        data = instance.folder / "postgres" / "data"
        stop = [str(binaries / "pg_ctl"), "-D", str(data), "-m", "fast", "-w", "-t", "60", "stop"]
        _run(instance, stop, "PostgreSQL did not stop", log=instance.folder / "postgres" / "log")


def is_running(instance: Instance) -> bool:
    """Return whether this instance's own server runs and listens."""
    return is_alive(instance.folder / "postgres" / "data" / "postmaster.pid") and is_listening(
        instance.postgres_port
    )


def _make_data_folder(instance: Instance, binaries: Path, home: Path) -> None:
    password = home / "superuser-password"
    # A pipe would be root's and unreadable after the change of user; a 0600 file is not.
    write_private(password, instance.credentials()["postgres"]["superuser_password"] + "\n")
    own(USER, home)
    options = ["-U", USER, "-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "--locale=C.UTF-8"]
    sync = [] if instance.durable else ["--no-sync"]
    command = [str(binaries / "initdb"), "-D", str(home / "data"), *options, *sync]
    try:
        _run(instance, command, "PostgreSQL's data folder could not be made")
    finally:
        password.unlink(missing_ok=True)


def _write_settings(instance: Instance, home: Path) -> None:
    settings = {
        "listen_addresses": f"'{HOST}'",
        "port": instance.postgres_port,
        "unix_socket_directories": "''",  # a path over 107 bytes stops the server in a deep checkout
        "wal_level": "logical",
        "max_replication_slots": 20,
        "max_wal_senders": 20,
        "max_connections": 200,
        "shared_buffers": "128MB",
        "timezone": "'UTC'",
        "fsync": "on" if instance.durable else "off",
        "full_page_writes": "on" if instance.durable else "off",
    }
    text = "".join(f"{name} = {value}\n" for name, value in settings.items())
    (home / "data" / "fissile.conf").write_text(text, encoding="ascii")
    main = home / "data" / "postgresql.conf"
    if "fissile.conf" not in main.read_text(encoding="utf-8"):
        with main.open("a", encoding="utf-8") as file:
            file.write("\ninclude 'fissile.conf'\n")


def _run(instance: Instance, command: Sequence[str], problem: str, log: Path | None = None) -> None:
    home = instance.folder / "postgres"
    output = home.parent / "postgres-tools.log"
    with output.open("ab") as file:
        # From /: the tools complain about a folder that the new user cannot enter. Its own session: a Ctrl-C in
        # the terminal is for the shop, not for its stores.
        ran = subprocess.run(
            as_server(USER, home, command, {"LC_ALL": "C.UTF-8"}),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            check=False,
        )
    if ran.returncode:
        where = log if log and log.exists() else output
        lines = where.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
        raise ServicesError(f"{problem} (exit {ran.returncode}). The end of {where}:\n  " + "\n  ".join(lines))


def psql(instance: Instance, binaries: Path | None, script: str) -> str:
    """Run statements as the superuser, each in its own transaction; return what they print."""
    found = instance.credentials()["postgres"]
    address = ["-h", HOST, "-p", str(instance.postgres_port), "-U", USER, "-d", "postgres"]
    command = [
        str(binaries / "psql") if binaries else "psql",
        "-X",
        "-q",
        "-A",
        "-t",
        "-v",
        "ON_ERROR_STOP=1",
        *address,
    ]
    ran = subprocess.run(
        command,
        input=script,
        capture_output=True,
        text=True,
        env=os.environ | {"PGPASSWORD": found["superuser_password"], "PGCONNECT_TIMEOUT": "10"},
        check=False,
    )
    if ran.returncode:
        raise ServicesError(f"PostgreSQL on port {instance.postgres_port} refused: {ran.stderr.strip()}")
    return ran.stdout
