"""A whole shop for one test or proof: real processes in any cut, on their own ports, state and stores."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

import environ
import psycopg

from bff_app.management.shop import Shop
from deploy.local.ends_with_parent import end_with_parent
from deploy.local.house import HOST, SERVICES_DIR, TOPOLOGIES, House, Process
from fissile.testing.processes import Processes

ROOT = Path(__file__).resolve().parent.parent
CELLS = [(topology, tier) for tier in ("embedded", "real") for topology in ("monolith", "split")]


@dataclass(kw_only=True)
class RunningHouse:
    """A shop that runs. `processes` are under the test's hand; `shop` is its front door."""

    house: House
    processes: Processes
    shop: Shop = field(init=False)

    def __post_init__(self) -> None:
        self.shop = Shop(url=self.house.gateway_url)

    @property
    def url(self) -> str:
        """The gateway's base URL."""
        return self.house.gateway_url

    @property
    def topology(self) -> str:
        """`monolith` or `split`."""
        return self.house.topology

    @property
    def tier(self) -> str:
        """`embedded` or `real`."""
        return self.house.tier

    def named(self, pattern: str) -> list[str]:
        """Return the names of processes that match, such as `*worker`."""
        return [name for name in self.processes.names if fnmatch(name, pattern)]

    def holder(self, context: str, kind: str) -> str:
        """Return the name of the process of a kind (`web`, `worker`) that holds a context."""
        group = next(group for group in self.house.groups if context in group.contexts)
        return group.process_name(kind)  # type: ignore[arg-type]

    def environment(self, context: str) -> dict[str, str]:
        """Return the environment of a management command in the role that holds a context."""
        group = next(group for group in self.house.groups if context in group.contexts)
        return self.house.management(group)

    def manage(self, context: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `manage.py …` in the role that holds a context."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment(context)},
            capture_output=True,
            text=True,
            check=check,
            timeout=120,
        )

    def rows(self, alias: str, sql: str) -> list[tuple[Any, ...]]:
        """Read a context's database from outside, past the application."""
        url = environ.Env.db_url_config(self._database_url(alias))
        if url["ENGINE"].endswith("sqlite3"):
            import sqlite3

            connection = sqlite3.connect(f"file:{url['NAME']}?mode=ro", uri=True, timeout=20)
            try:
                return connection.execute(sql).fetchall()
            finally:
                connection.close()
        with psycopg.connect(
            host=url["HOST"], port=url["PORT"], user=url["USER"], password=url["PASSWORD"], dbname=url["NAME"]
        ) as server:
            return server.execute(sql).fetchall()  # type: ignore[arg-type]

    def _database_url(self, alias: str) -> str:
        if self.tier == "embedded":
            return f"sqlite:///{self.house.state_dir / 'embedded' / alias}.sqlite3"
        return self.environment(alias)[f"{alias.upper()}_DATABASE_URL"]


def free_base() -> int:
    """Return a base port whose neighbours, up to the monolith's, are free."""
    for _ in range(200):
        # Below the range that outgoing connections are given, clear of the private services.
        base = random.randrange(26_000, 32_000, 20)
        with_all = [*range(base, base + 12)]
        sockets = []
        try:
            for port in with_all:
                probe = socket.socket()
                sockets.append(probe)
                probe.bind((HOST, port))
        except OSError:
            continue
        else:
            return base
        finally:
            for probe in sockets:
                probe.close()
    raise RuntimeError("no twelve free ports in a row between 26000 and 32000")


def _services(command: str, name: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "deploy.local.services", command, name, "--dir", str(SERVICES_DIR), "--for-tests"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )


def prefixes_of(house_processes: tuple[Process, ...], patches: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the words before each process's argv that apply `patches` (process name pattern → `module:function`)."""
    prefixes: dict[str, tuple[str, ...]] = {}
    for process in house_processes:
        flags: list[str] = []
        for pattern, patch in patches.items():
            if fnmatch(process.name, pattern):
                # The gateway has no Django whose set-up a patch could wait for.
                flags += ["--now" if process.kind == "gateway" else "--patch", patch]
        if flags:
            prefixes[process.name] = (sys.executable, "-m", "fissile.testing.launch", *flags, "--")
    return prefixes


def prepare(house: House) -> None:
    """Make keys, migrate and seed every role of a house."""
    for group in house.groups:
        subprocess.run(
            [sys.executable, "manage.py", "prepare"],
            cwd=ROOT,
            env={**os.environ, **house.management(group)},
            check=True,
            capture_output=True,
            text=True,
        )


@contextmanager
def running_house(
    topology: str,
    tier: str,
    *,
    patches: Mapping[str, str] | None = None,
    extra: Mapping[str, Mapping[str, str]] | None = None,
) -> Iterator[RunningHouse]:
    """Start a shop from nothing and take it away again. `patches`: process name pattern → `module:function`."""
    state = Path(tempfile.mkdtemp(prefix=f"fissile-{topology}-{tier}-"))
    stores = f"t{os.getpid()}_{random.randrange(10**6)}" if tier == "real" else ""
    plan = {
        "groups": TOPOLOGIES[topology],
        "tier": tier,
        "base_port": free_base(),
        "state_dir": state,
        "stores": stores,
        "extra": extra or {},
    }
    if stores:
        _services("reserve", stores)
    try:
        house = House(**plan)
        house = House(**plan, prefixes=prefixes_of(house.processes(), patches or {}))
        prepare(house)
        processes = Processes(
            table=house.processes(),
            cwd=ROOT,
            log_dir=state / "logs",
            preexec=partial(end_with_parent, os.getpid()),
        )
        with processes:
            yield RunningHouse(house=house, processes=processes)
    except subprocess.CalledProcessError as failed:
        raise AssertionError(f"{failed}:\n{failed.stdout}\n{failed.stderr}") from failed
    finally:
        if stores:
            _services("release", stores)
        shutil.rmtree(state, ignore_errors=True)


def real_tier_missing() -> str | None:
    """Return why the real tier cannot be used here, or None."""
    try:
        found = json.loads((SERVICES_DIR / "credentials.json").read_text())
    except OSError:
        return "the private services do not run (make services)"
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex((HOST, found["postgres"]["port"])) != 0:
            return "the private PostgreSQL does not listen (make services)"
    return None
