"""What a clause works with: a running shop, its processes and rows, and words to say what was seen.

May touch: processes and files of the house it was given; children of its own, which it ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import environ
import psycopg

from bff_app.management.shop import Person, Reply, Shop, UnexpectedReply
from deploy.local.ends_with_parent import end_with_parent
from deploy.local.house import HOST, TOPOLOGIES, Group, House, Process
from fissile.prove import NotOffered, Red
from fissile.testing.processes import Processes
from fissile.watch.trace_store import StoredSpan, TraceStore
from tests.house import ROOT, RunningHouse, free_base, prefixes_of

T = TypeVar("T")
NEEDS_PROCESSES = "needs the processes; run without --url"
# The name under which a sabotage can reach the children that ask questions from inside a role.
PROBE = "probe"


@dataclass(kw_only=True)
class ShopScene:
    """A shop as proofs see it. `running` is None for one that somebody else started: HTTP only."""

    url: str
    topology: str
    tier: str
    running: RunningHouse | None = None
    patches: Mapping[str, str] = field(default_factory=dict)
    plants: Mapping[str, str] = field(default_factory=dict)
    shop: Shop = field(init=False)
    _prepared: set[str] = field(init=False, default_factory=set)
    _found: dict[str, Any] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.shop = Shop(url=self.url)

    @property
    def house(self) -> RunningHouse:
        """The processes; raise NotOffered without them."""
        if self.running is None:
            raise NotOffered(NEEDS_PROCESSES)
        return self.running

    def needs_processes(self) -> None:
        """Raise NotOffered without processes, before anything is done to somebody else's shop."""
        _ = self.house

    @property
    def state_dir(self) -> Path:
        """The house's own folder."""
        return self.house.house.state_dir

    @property
    def is_real(self) -> bool:
        """True on PostgreSQL and RabbitMQ."""
        return self.tier == "real"

    @property
    def groups(self) -> tuple[Group, ...]:
        """The contexts of this cut as they share processes."""
        return self.house.house.groups

    def is_apart(self, one: str, other: str) -> bool:
        """True when two contexts have processes of their own in this cut."""
        return all(not {one, other} <= set(group.contexts) for group in self.groups)

    def only_apart(self, one: str, other: str) -> None:
        """Raise NotOffered where two contexts share their processes."""
        if not self.is_apart(one, other):
            raise NotOffered(f"{one} and {other} share their processes in this cut: {self.topology}")

    def only_real(self, why: str) -> None:
        """Raise NotOffered on the embedded tier, for a reason in words."""
        self.needs_processes()
        if not self.is_real:
            raise NotOffered(why)

    # -- processes

    def web(self, context: str) -> str:
        """Return the name of the (first) web process that holds a context."""
        return self.house.holder(context, "web")

    def worker(self, context: str) -> str:
        """Return the name of the (first) worker that holds a context."""
        return self.house.holder(context, "worker")

    def webs(self, context: str) -> tuple[str, ...]:
        """Return the names of all web processes that hold a context."""
        return self.house.holders(context, "web")

    def workers(self, context: str) -> tuple[str, ...]:
        """Return the names of all workers that hold a context."""
        return self.house.holders(context, "worker")

    @contextmanager
    def stopped(self, *names: str) -> Iterator[None]:
        """Stop processes, all at once, and have them ready again afterwards."""
        with ThreadPoolExecutor() as hands:
            list(hands.map(self.house.processes.stop, names))
        try:
            yield
        finally:
            self.bring_up(*names)

    def bring_up(self, *names: str) -> None:
        """Start what does not run of these, and wait until it is ready."""
        processes = self.house.processes
        for name in names:
            if not processes.is_running(name):
                processes.start(name)
        for name in names:
            processes.wait_ready(name)

    @contextmanager
    def paused(self, *names: str) -> Iterator[None]:
        """Stop processes in the middle of whatever they do (SIGSTOP), and let them go on afterwards.

        Not while one holds the write lock of an SQLite file: no one can take that from it, so all would sleep.
        PostgreSQL ends such a transaction by itself (idle_in_transaction_session_timeout).
        """
        for name in names:
            self.house.processes.signal(name, signal.SIGSTOP)
            while self._is_a_file_locked():
                self.house.processes.signal(name, signal.SIGCONT)
                time.sleep(0.05)
                self.house.processes.signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            for name in names:
                self.house.processes.signal(name, signal.SIGCONT)

    def row(self, name: str, *, topology: str | None = None, extra: Mapping[str, str] | None = None) -> Process:
        """Return a further process for this house's stores, on ports of its own, with this house's sabotages.

        `topology` may be another one: then it is a process as that cut would have it.
        """
        house = self._further(name, topology, extra or {})
        return next(process for process in house.processes() if process.name == name)

    def _further(self, name: str, topology: str | None, extra: Mapping[str, str]) -> House:
        plan = replace(
            self.house.house,
            groups=TOPOLOGIES[topology or self.topology],
            base_port=free_base(),
            extra={name: dict(extra)},
            prefixes={},
        )
        plan.make_folders()
        return replace(plan, prefixes=prefixes_of(plan.processes(), self.patches))

    @contextmanager
    def running_also(self, row: Process, *, cwd: Path = ROOT) -> Iterator[Processes]:
        """Run one more process; its log is in a folder of its own."""
        processes = Processes(
            table=[row],
            cwd=cwd,
            log_dir=self.state_dir / f"logs-{free_base()}",
            preexec=partial(end_with_parent, os.getpid()),
        )
        with processes:
            yield processes

    def prepared(self, row: Process, *, cwd: Path = ROOT) -> None:
        """Make what the role of a further process needs before it serves, once: keys, operators' tables."""
        if row.role not in self._prepared:
            manage(cwd, row.environment, "prepare")
            self._prepared.add(row.role)

    def ask_inside(self, context: str, code: str) -> Any:
        """Run Python in the role that holds a context and return the JSON it prints last.

        The house's sabotages of `probe` are applied: what holds in its processes holds here.
        """
        patches = [patch for pattern, patch in self.patches.items() if fnmatch(PROBE, pattern)]
        flags = [word for patch in patches for word in ("--patch", patch)]
        launched = ["-m", "fissile.testing.launch", *flags, "--", "manage.py", "shell", "--verbosity", "0", "-c", code]
        said = run(launched, cwd=ROOT, environment=self.house.environment(context))
        return json.loads(said.stdout.splitlines()[-1])

    def once(self, what: str, look: Callable[[], T]) -> T:
        """Return what `look` found when somebody first wanted to know `what`; it looks only then."""
        if what not in self._found:
            self._found[what] = look()
        found: T = self._found[what]
        return found

    def stranger(self) -> Person:
        """Return somebody with a good token whom no context has heard of."""
        nobody = Person(id=str(uuid4()), email="", password="")
        issue = "import json; from fissile.trust.tokens import issue_access; "
        nobody.access_token = self.ask_inside("users", f"{issue}print(json.dumps(issue_access('{nobody.id}')))")
        return nobody

    # -- what is left behind

    def spans(self, trace_id: str) -> list[StoredSpan]:
        """Return the spans of a trace that are stored by now."""
        return TraceStore(self.state_dir / "traces.sqlite3").trace(trace_id)

    def log_lines(self, *names: str) -> list[dict[str, Any]]:
        """Return the JSON lines that processes have written so far; `log` says which."""
        logs = self.state_dir / "logs"
        return [
            {"log": name, **line}
            for name in names or self.house.processes.names
            for line in json_lines(logs / f"{name}.log")
        ]

    def key(self, value: str) -> str:
        """Return a UUID the way the tier's tables hold it."""
        return str(UUID(value)) if self.is_real else UUID(value).hex

    def rows(self, alias: str, sql: str) -> list[tuple[Any, ...]]:
        """Read a context's database from outside."""
        return self.house.rows(alias, sql)

    @contextmanager
    def connected(self, alias: str) -> Iterator[Any]:
        """A connection of the owner to a context's database, past the application; statements commit one by one."""
        if not self.is_real:
            with closing(sqlite3.connect(self.embedded_file(alias), timeout=20, isolation_level=None)) as connection:
                yield connection
            return
        with psycopg.connect(**self.login(alias), autocommit=True) as server:
            yield server

    def login(self, alias: str) -> dict[str, Any]:
        """Return psycopg's arguments for the owner of a context's database (real tier)."""
        url = environ.Env.db_url_config(self.house.environment(alias)[f"{alias.upper()}_DATABASE_URL"])
        names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
        return {name: url[key] for name, key in names.items()}

    def embedded_file(self, alias: str) -> Path:
        """Return a context's database file, or the bus's (embedded tier)."""
        return self.state_dir / "embedded" / f"{alias}.sqlite3"

    def _is_a_file_locked(self) -> bool:
        """True when somebody keeps the write lock of one of the files for a second."""
        for file in self.state_dir.rglob("*.sqlite3"):
            with closing(sqlite3.connect(file, timeout=1, isolation_level=None)) as connection:
                try:
                    connection.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError:
                    return True
                connection.execute("ROLLBACK")
        return False

    @contextmanager
    def held(self, alias: str, table: str) -> Iterator[None]:
        """Make every reader of a context's data wait, from outside the application.

        PostgreSQL: an exclusive lock on a table. SQLite: the read marks of the write-ahead
        log's index file (bytes 123 to 127, see sqlite.org/walformat.html) are locked.
        Nothing may read that file in this process meanwhile: closing it would drop the lock.
        """
        if self.is_real:
            with psycopg.connect(**self.login(alias)) as server:
                server.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
                yield
                server.rollback()
            return
        with Path(f"{self.embedded_file(alias)}-shm").open("r+b") as index:
            deadline = time.monotonic() + 5
            while True:
                try:
                    fcntl.lockf(index, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 123)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.005)
            yield

    # -- people

    def known_buyer(self, name: str = "Rosa") -> Person:
        """Sign somebody up and wait until orders has heard of them."""
        person = self.shop.sign_up(name)
        if self.running is not None:
            self.wait_heard_of(person)
        return person

    def wait_heard_of(self, person: Person) -> None:
        """Wait until users' event about a person is in orders' own copy."""
        count = f"SELECT count(*) FROM orders_buyer_copy WHERE id = '{self.key(person.id)}'"
        settled(lambda: self.rows("orders", count) == [(1,)], seconds=60, what=f"orders has heard of {person.id}")

    def on_dashboard(
        self, who: Person, order_id: str, *, status: str | None = None, seconds: float = 60
    ) -> dict[str, Any]:
        """Return the dashboard's row of an order once it is there, with `status` if one is given; raise Red."""
        return settled(
            lambda: self.shop.seen_on_dashboard(who, order_id, status=status),
            seconds=seconds,
            what=f"order {order_id} {status or 'shown'} on the dashboard",
        )

    def wait_quiet(self) -> None:
        """Wait until every order is decided, paid for or paid back, and shown as it stands; raise Red."""
        try:
            self.house.wait_quiet(seconds=60)
        except UnexpectedReply as late:
            raise Red(str(late)) from late


def ensure(held: object, otherwise: str) -> None:
    """Raise Red unless it held."""
    if not held:
        raise Red(otherwise)


def answered(reply: Reply, status: int, what: str = "") -> Reply:
    """Return the reply if it has this status; raise Red."""
    ensure(reply.status == status, f"{what or 'the answer'}: {reply.status} instead of {status}: {reply.body}")
    return reply


def is_problem(reply: Reply, status: int, what: str = "") -> Reply:
    """Return the reply if it is a problem (RFC 9457) of this status; raise Red."""
    answered(reply, status, what)
    is_one = reply.headers.get("content-type", "").startswith("application/problem+json")
    ensure(is_one and reply.body["status"] == status and reply.body["code"], f"{what}: not a problem: {reply.body}")
    return reply


def settled(look: Callable[[], T | None], *, seconds: float, what: str) -> T:
    """Return the first truthy answer of `look`; raise Red after the time."""
    deadline = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        if time.monotonic() > deadline:
            raise Red(f"not within {seconds:g} s: {what}")
        time.sleep(0.03)


def json_lines(log: Path) -> list[dict[str, Any]]:
    """Return the lines of a process's log, without what some library wrote past logging."""
    *whole, _ = log.read_text(errors="replace").split("\n")
    return [json.loads(line) for line in whole if line.startswith("{")]


def run(
    words: list[str], *, cwd: Path, environment: Mapping[str, str], check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run Python with arguments; raise AssertionError with what it said if it fails."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if check and done.returncode:
        raise AssertionError(f"{' '.join(words)[:300]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def manage(cwd: Path, environment: Mapping[str, str], *words: str) -> str:
    """Run a management command and return what it printed."""
    return run(["manage.py", *words], cwd=cwd, environment=environment).stdout


def origin(row: Process) -> str:
    """Return where a further web process answers."""
    return f"http://{HOST}:{row.port}"
