"""The run-time guard of the borders: SQL on foreign tables, writes outside a unit of work, calls in a transaction.

May touch: the connections of contexts (an execute wrapper each), its counter, its log.
What it does about a breach is configuration: refuse, report or nothing, per kind.
"""

from __future__ import annotations

import logging
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import FrameType, TracebackType
from typing import Any, Literal, get_args

from django.db import connections
from prometheus_client import Counter

from fissile.contexts import registry
from fissile.errors import BrokenContractError
from fissile.watch import metrics

from . import statements

Kind = Literal["sql", "writes", "calls"]
Mode = Literal["refuse", "report", "off"]
# The rules as `explain` knows them.
RULES: dict[Kind, str] = {"sql": "BND201", "writes": "BND202", "calls": "BND203"}
# A place is a line of code, so a house has few; what makes more than this is a loop over made-up SQL.
MOST_PLACES = 1_000

_log = logging.getLogger("fissile.guard")
_breaches = Counter(
    "fissile_boundary_breaches",
    "What the run-time guard refused or, as far as it is sampled, reported.",
    ["rule", "context", "outcome"],
    registry=metrics.registry,
)


class ForeignTable(BrokenContractError):
    """A context reached for a table that another context owns."""

    code = "foreign_table"


class WriteOutsideUnitOfWork(BrokenContractError):
    """A context's row was written outside a unit of work."""

    code = "write_outside_unit_of_work"


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What happens to each kind of breach; `sample` is the share of breaches that `report` looks at."""

    sql: Mode = "refuse"
    writes: Mode = "refuse"
    calls: Mode = "refuse"
    sample: float = 1.0

    def __post_init__(self) -> None:
        wrong = {self.sql, self.writes, self.calls} - set(get_args(Mode))
        if wrong or not 0 <= self.sample <= 1:
            raise BrokenContractError(f"{self}: a mode is refuse, report or off, and a sample lies between 0 and 1.")


class Guard:
    """A policy, and the places that were reported already."""

    def __init__(self, policy: Policy, *, dice: Callable[[], float] = random.random) -> None:
        self.policy = policy
        self.watches_statements = policy.sql != "off" or policy.writes != "off"
        self._dice = dice
        self._reported: set[tuple[str, ...]] = set()
        self._lock = Lock()

    def breach(self, kind: Kind, context: str, did: str, refusal: Callable[[], BrokenContractError]) -> None:
        """Raise `refusal()`, report that `context` `did` it, or do nothing; reporting never raises.

        `did` names verb and table, never a value.
        """
        mode: Mode = getattr(self.policy, kind)
        if mode == "refuse":
            _breaches.labels(RULES[kind], context, "refused").inc()
            raise refusal()
        if mode == "report" and (self.policy.sample >= 1 or self._dice() < self.policy.sample):
            try:
                self._report(RULES[kind], context, did)
            except Exception:  # noqa: BLE001 - a report must not break what it reports on
                _log.debug("a breach of %s by %s could not be reported", RULES[kind], context, exc_info=True)

    def _report(self, rule: str, context: str, did: str) -> None:
        _breaches.labels(rule, context, "reported").inc()
        place = place_of(sys._getframe())
        with self._lock:
            if (place, rule, did) in self._reported or len(self._reported) >= MOST_PLACES:
                return
            self._reported.add((place, rule, did))
        _log.warning(
            "%s %s: %s at %s; reported once, see: manage.py explain %s",
            rule, context, did, place, rule, extra={"rule": rule, "place": place},
        )  # fmt: skip


_guard = Guard(Policy())


def configure(policy: Policy, *, dice: Callable[[], float] = random.random) -> None:
    """Use `policy` from now on, in all threads; places reported before are forgotten."""
    global _guard
    _guard = Guard(policy, dice=dice)


def breach(kind: Kind, context: str, did: str, refusal: Callable[[], BrokenContractError]) -> None:
    """Do about a breach what the process's policy says; see `Guard.breach`."""
    _guard.breach(kind, context, did, refusal)


class writing:
    """Marks this thread's connection of a context as one that writes rightly, for a block; may be nested.

    The unit of work and the inbox's transaction do it for their callers. Else it
    is for those who own the rows they change and have no event to tell of it.
    """

    def __init__(self, alias: str) -> None:
        self._connection: Any = connections[alias]

    def __enter__(self) -> None:
        """Set the mark."""
        self._connection.fissile_writers = getattr(self._connection, "fissile_writers", 0) + 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take it away."""
        self._connection.fissile_writers -= 1


class StatementGuard:
    """An execute wrapper for one context's alias: sees every statement's text, never its values."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Run the statement unless it breaches a border and the policy refuses that."""
        if _guard.watches_statements:
            alias = self._connection.alias
            found = statements.read(alias, sql)
            if found.neighbour:
                _foreign(alias, found)
            elif found.verb and not getattr(self._connection, "fissile_writers", 0):
                _unannounced(alias, found)
        return execute(sql, params, many, context)


def watch(connection: Any, **_: Any) -> None:
    """Put the guard on a new connection of a context; a receiver of Django's `connection_created`."""
    # A wrapper outlives a reconnect, so it is added once per connection object.
    wrapped = any(isinstance(wrapper, StatementGuard) for wrapper in connection.execute_wrappers)
    if registry.is_near(connection.alias) and not wrapped:
        connection.execute_wrappers.append(StatementGuard(connection))


def place_of(frame: FrameType | None) -> str:
    """Return `<path>:<line>` of the nearest caller in a context's package, else of the nearest outside the library."""
    packages = tuple(registry.packages().values())
    outside = ""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if _is_below(module, packages):
            return _line(frame, module)
        if not outside and not _is_below(module, ("fissile", "django", "contextlib")):
            outside = _line(frame, module)
        frame = frame.f_back
    return outside or "an unknown place"


def _is_below(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _line(frame: FrameType, module: str) -> str:
    path = Path(frame.f_code.co_filename)
    # As many folders as the module's name has: the same text on every machine.
    depth = module.count(".") + 1 + (path.stem == "__init__")
    return f"{'/'.join(path.parts[-depth:])}:{frame.f_lineno}"


def _foreign(alias: str, found: statements.Statement) -> None:
    owner = found.neighbour
    breach(
        "sql", alias, f"{found.word.upper()} names {found.foreign_table} of {owner}",
        lambda: ForeignTable(
            f"A statement on {alias}'s database names a table of {owner}: {found.foreign_table}. "
            f"Ask {owner} through a port, or keep a local copy fed by its events."
        ),
    )  # fmt: skip


def _unannounced(alias: str, found: statements.Statement) -> None:
    breach(
        "writes", alias, f"{found.verb.upper()} {found.table} outside a unit of work",
        lambda: WriteOutsideUnitOfWork(
            f"{found.verb.upper()} {found.table} outside a unit of work: an event could not share its transaction. "
            f'Write inside unit_of_work("{alias}"), commands.run or a consumer\'s handler.'
        ),
    )  # fmt: skip
