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
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

import environ
import psycopg

from bff_app.management.shop import Shop, UnexpectedReply, eventually
from deploy.local.ends_with_parent import end_with_parent
from deploy.local.house import HOST, PORTS, SERVICES_DIR, TOPOLOGIES, Group, House, Kind, Process
from deploy.local.services.rights import declarations
from fissile.testing.processes import Processes
from settings.contexts import CONTEXTS

ROOT = Path(__file__).resolve().parent.parent
DECLARED = {context.name: context for context in declarations()}
PUBLISHING = [name for name, context in DECLARED.items() if context.publishes]
# Each named `listener.source`.
CONSUMERS = [name for context in DECLARED.values() for name in context.consumers]
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
        """The cut's name in `TOPOLOGIES`."""
        return self.house.topology

    @property
    def tier(self) -> str:
        """`embedded` or `real`."""
        return self.house.tier

    def named(self, pattern: str) -> list[str]:
        """Return the names of processes that match, such as `*worker`."""
        return [name for name in self.processes.names if fnmatch(name, pattern)]

    def holder(self, context: str, kind: Kind, number: int = 1) -> str:
        """Return the name of the process of a kind (`web`, `worker`) that holds a context; `number` of several."""
        return self._group(context).process_name(kind, number)

    def holders(self, context: str, kind: Kind) -> tuple[str, ...]:
        """Return the names of all processes of a kind that hold a context."""
        group = self._group(context)
        return tuple(group.process_name(kind, number) for number in group.numbers)

    def trigger(self, name: str) -> Path:
        """Return the file that makes a process die at a crash point, in a house that was started with them."""
        return crash_folder(self.house.state_dir) / name

    def _group(self, context: str) -> Group:
        return next(group for group in self.house.groups if context in group.contexts)

    def environment(self, context: str) -> dict[str, str]:
        """Return the environment of a management command in the role that holds a context."""
        return self.house.management(self._group(context))

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
        url = self.database(alias)
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

    def is_quiet(self) -> bool:
        """True when all that was told is heard, and every order is decided, paid for or paid back, and shown so."""
        if not self.is_all_sent() or self.unheard():
            return False
        orders = dict(self.rows("orders", "SELECT status, count(*) FROM orders_order GROUP BY status"))
        shown = dict(self.rows("bff", "SELECT status, count(*) FROM bff_dashboard_order GROUP BY status"))
        payments = dict(self.rows("payments", "SELECT status, count(*) FROM payments_payment GROUP BY status"))
        is_paid = payments.get("captured") == orders.get("confirmed") and "authorised" not in payments
        return "placed" not in orders and shown == orders and is_paid

    def unheard(self) -> list[str]:
        """Return which consumer has yet to apply which newest event; what waits for an operator is left out."""
        # Positions first: an event that comes of one applied meanwhile is among the newest, and not yet heard.
        heard: dict[str, dict[str, int]] = {}
        for consumer in CONSUMERS:
            context = consumer.split(".", 1)[0]
            positions = f"SELECT aggregate, applied_version FROM {context}_position WHERE consumer = '{consumer}'"
            parked = f"SELECT aggregate FROM {context}_inbox WHERE consumer = '{consumer}' AND state = 'parked'"
            heard[consumer] = dict(self.rows(context, positions))
            heard[consumer] |= {aggregate: sys.maxsize for (aggregate,) in self.rows(context, parked)}
        newest = {name: self._newest(name) for name in PUBLISHING}
        return [
            f"{consumer}: {aggregate}@{version}"
            for consumer, applied in heard.items()
            for aggregate, version in newest[consumer.split(".", 1)[1]]
            if applied.get(aggregate, 0) < version
        ]

    def _newest(self, context: str) -> list[tuple[Any, ...]]:
        # Commands and answers lie there, too.
        events = ", ".join(f"'{event}'" for event in DECLARED[context].publishes)
        sql = f"SELECT aggregate, max(version) FROM {context}_outbox WHERE type IN ({events}) GROUP BY aggregate"
        return self.rows(context, sql)

    def wait_quiet(self, *, seconds: float) -> None:
        """Wait until `is_quiet`; raise UnexpectedReply that says what still waits, and where."""
        what = "all heard, every order decided, paid for or paid back, and shown"
        try:
            eventually(self.is_quiet, within_seconds=seconds, what=what)
        except UnexpectedReply as late:
            raise UnexpectedReply(f"{late}; {self._unsettled()}") from late

    def _unsettled(self) -> str:
        """Return the orders and messages on which `is_quiet` waits, in words."""
        tables = {"orders": "orders_order", "bff": "bff_dashboard_order", "payments": "payments_payment"}
        counted = {
            table: dict(self.rows(context, f"SELECT status, count(*) FROM {table} GROUP BY status"))
            for context, table in tables.items()
        }
        unsent = "SELECT aggregate, version, attempts, next_at, parked_at, reason FROM {}_outbox WHERE sent_at IS NULL"
        unheard = (
            "SELECT consumer, aggregate, version, state, attempts, due, reason FROM {}_inbox WHERE state <> 'applied'"
        )
        waiting = [
            (name, *row)
            for sql, contexts in ((unsent, PUBLISHING), (unheard, CONTEXTS))
            for name in contexts
            for row in self.rows(name, f"{sql.format(name)} LIMIT 4")
        ]
        undecided = self.rows("orders", "SELECT id, status, version FROM orders_order WHERE status = 'placed' LIMIT 4")
        return f"{counted}; undecided: {undecided}; not sent or not applied: {waiting}; unheard: {self.unheard()[:4]}"

    def is_all_sent(self) -> bool:
        """True when no outbox has an event that is still to be sent."""
        return not any(self.rows(name, f"SELECT 1 FROM {name}_outbox WHERE sent_at IS NULL") for name in PUBLISHING)

    def database(self, alias: str) -> dict[str, Any]:
        """Return Django's settings of a context's database, as its owner connects to it."""
        if self.tier == "embedded":
            url = f"sqlite:///{self.house.state_dir / 'embedded' / alias}.sqlite3"
        else:
            url = self.environment(alias)[f"{alias.upper()}_DATABASE_URL"]
        return dict(environ.Env.db_url_config(url))


def free_base() -> int:
    """Return a base port from which on every port that some cut uses is free."""
    # Two runs of tests at the same time, one per tier, look in different places.
    # All below the range that outgoing connections are given, clear of the private services.
    places = {"embedded": (26_000, 29_000), "real": (29_000, 32_000)}
    for _ in range(200):
        base = random.randrange(*places.get(os.environ.get("HOUSES", ""), (26_000, 32_000)), 20)
        with_all = [base + offset for offset in PORTS]
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
    raise RuntimeError(f"no {len(PORTS)} free ports in a row between 26000 and 32000")


def _services(command: str, name: str, groups: Sequence[Group] = ()) -> None:
    where = ["--dir", str(SERVICES_DIR), "--for-tests"]
    roles = [word for group in groups for word in ("--role", group.role)]
    subprocess.run(
        [sys.executable, "-m", "deploy.local.services", command, name, *where, *roles],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )


def crash_folder(state_dir: Path) -> Path:
    """Return where the triggers of a house lie, each under the name of its process."""
    return state_dir / "crash"


def prefixes_of(
    house_processes: tuple[Process, ...], patches: Mapping[str, str], crashes: Path | None = None
) -> dict[str, tuple[str, ...]]:
    """Return the words before each process's argv that apply `patches` (process name pattern → `module:function`).

    `crashes`: the folder of triggers, if the processes are to watch for theirs.
    """
    prefixes: dict[str, tuple[str, ...]] = {}
    for process in house_processes:
        flags: list[str] = []
        for pattern, patch in patches.items():
            if fnmatch(process.name, pattern):
                # The gateway has no Django whose set-up a patch could wait for.
                flags += ["--now" if process.kind == "gateway" else "--patch", patch]
        if crashes is not None and process.kind != "gateway":
            flags += ["--crash", str(crashes / process.name)]
        if flags:
            prefixes[process.name] = (sys.executable, "-m", "fissile.testing.launch", *flags, "--")
    return prefixes


def prepare(house: House) -> None:
    """Make the folders of a house, and keys, tables, first rows and queues of every role of it, all at once.

    The stores come with every context's exchange, so that no role need wait for the one whose events it listens to.
    """
    house.make_folders()
    with ThreadPoolExecutor(os.cpu_count()) as hands:
        queues = list(hands.map(partial(_prepared, house), house.groups))
    assert set(queues) == {"declared"}, queues


def _prepared(house: House, group: Group) -> str:
    """Prepare a role and return what came of its queues, in words."""
    command = [sys.executable, "manage.py", "prepare", "--json"]
    environment = {**os.environ, **house.management(group)}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    return str(json.loads(done.stdout.splitlines()[-1])["queues"])


@contextmanager
def running_house(
    topology: str,
    tier: str,
    *,
    patches: Mapping[str, str] | None = None,
    extra: Mapping[str, Mapping[str, str]] | None = None,
    on_stores: Callable[[str], object] | None = None,
    with_crash_points: bool = False,
    services_dir: Path = SERVICES_DIR,
) -> Iterator[RunningHouse]:
    """Start a shop from nothing and take it away again. `patches`: process name pattern → `module:function`.

    `on_stores` is called with the name of the real tier's stores, once they are made.
    `with_crash_points`: every process with a trigger dies where it says (fissile.testing.crashes).
    `services_dir`: where its processes read the addresses of the stores, if they are to get there by another way.
    """
    state = Path(tempfile.mkdtemp(prefix=f"fissile-{topology}-{tier}-"))
    stores = f"t{os.getpid()}_{random.randrange(10**6)}" if tier == "real" else ""
    plan = {
        "groups": TOPOLOGIES[topology],
        "tier": tier,
        "base_port": free_base(),
        "state_dir": state,
        "services_dir": services_dir,
        "stores": stores,
        "extra": extra or {},
    }
    if stores:
        _services("reserve", stores, TOPOLOGIES[topology])
    try:
        if stores and on_stores:
            on_stores(stores)
        crashes = crash_folder(state) if with_crash_points else None
        if crashes:
            crashes.mkdir()
        house = House(**plan)
        house = House(**plan, prefixes=prefixes_of(house.processes(), patches or {}, crashes))
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
