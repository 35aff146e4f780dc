"""Composition: the parts of one answer side by side, under one deadline; what is absent is named.

May touch: a bounded pool of threads, and the database connections of those threads.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

from django.db import close_old_connections

from fissile import carry
from fissile.errors import BrokenContractError, FissileError, UnreachableError
from fissile.watch.tracing import span

# Two parts for each of a web process's eight threads. Parts that hang hold theirs
# until their own deadline; more than that many at once, and others come out late.
POOL_THREADS = 16
LATE = "late"

_log = logging.getLogger("fissile.edge.composition")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What came in time, and why the rest did not: `late`, or the code of its failure."""

    values: Mapping[str, Any] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


def gather_parts(parts: Mapping[str, Callable[[], Any]], deadline_seconds: float) -> Parts:
    """Run every part in a thread of the pool and return what is there when the deadline comes.

    A nearer deadline that is carried already wins. Each part sees its caller's
    context variables and trace, and the deadline. A part that is late, or raises a
    Refusal, UnreachableError or UncertainError, is named in `missing`; any other
    exception is a bug and is raised here. A late part is not interrupted: it must
    keep the deadline it is given.
    """
    deadline = time.monotonic() + carry.remaining_seconds(deadline_seconds)
    with carry.using(deadline=deadline):
        running = {name: _pool.submit(copy_context().run, _run, name, part) for name, part in parts.items()}
    wait(running.values(), timeout=max(0.0, deadline - time.monotonic()))
    values: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for name, future in running.items():
        _settle(name, future, values, missing)
    return Parts(values=values, missing=missing)


def _settle(name: str, future: Future[Any], values: dict[str, Any], missing: dict[str, str]) -> None:
    if not future.done():
        # One that has not begun never will; one that runs is left to its own deadline.
        future.cancel()
        future.add_done_callback(_report_late_bug)
        missing[name] = LATE
        _log.warning("part %s of the answer is late and left out", name)
        return
    try:
        values[name] = future.result()
    except BrokenContractError:
        raise
    except FissileError as failure:
        missing[name] = failure.code
        _log.warning("part %s of the answer is missing: %s", name, failure)


def _run(name: str, part: Callable[[], Any]) -> Any:
    # What a request does to the connections of its thread, done for a part: broken
    # or outlived ones are closed, healthy ones stay as long as CONN_MAX_AGE says.
    close_old_connections()
    try:
        with span(f"part {name}"):
            if carry.remaining_seconds(1.0) <= 0:
                raise UnreachableError(f"No time was left to begin with {name}.")
            return part()
    finally:
        close_old_connections()


def _report_late_bug(future: Future[Any]) -> None:
    wrong = None if future.cancelled() else future.exception()
    if wrong is not None and (not isinstance(wrong, FissileError) or isinstance(wrong, BrokenContractError)):
        _log.error("a part that was left out for being late then failed", exc_info=wrong)


def _new_pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(POOL_THREADS, thread_name_prefix="fissile-part")


# No thread runs before the first part; a parent's threads do not survive a fork.
_pool = _new_pool()


def _renew_pool() -> None:
    global _pool
    _pool = _new_pool()


os.register_at_fork(after_in_child=_renew_pool)
