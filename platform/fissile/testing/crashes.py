"""Dying on purpose: a process that was launched with `--crash <file>` kills itself at the point which the file names.

The file is the trigger: "relay.claimed 3" kills at the third pass from then on. It is renamed to `<file>.hit`
first, so the process that takes the dead one's place lives, and the test can see what was hit. `crash_at` is the
same without a process, for one thread of a test. May touch: that file, and the connections of a crashed test.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, get_ident

from fissile import crash_points


class NoSuchPoint(ValueError):
    """A trigger names a point that no code passes."""


class Crash(BaseException):
    """The process is gone: what catches this stands in for nothing that a real process does."""


@contextmanager
def crash_at(point: str, *, passes: int = 1) -> Iterator[None]:
    """End the block at the n-th pass of a point by this thread, as kill -9 would: open transactions are rolled back.

    Connections of contexts are closed as well. The block's end is not an error; that
    the point was never passed is one (AssertionError), and an unknown one (NoSuchPoint).
    """
    __tracebackhide__ = True
    _ensure_known(point)
    seen, thread = [0], get_ident()

    def on_pass(passed: str) -> None:
        if passed == point and get_ident() == thread:
            seen[0] += 1
            if seen[0] == passes:
                raise Crash(point)

    crash_points.arm(on_pass)
    try:
        yield
    except Crash:
        _lose_connections()
        return
    finally:
        crash_points.arm(None)
    if seen[0] >= passes:
        raise AssertionError(f"{point} was reached, and something caught the crash and went on.")
    raise AssertionError(f"Nothing crashed: {point} was passed {seen[0]} times, not {passes}.")


def _lose_connections() -> None:
    # Late: the launcher's processes need no Django.
    from django.db import connections

    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


def _ensure_known(point: str) -> None:
    if point not in crash_points.POINTS:
        raise NoSuchPoint(f"{point} is none of {', '.join(crash_points.POINTS)}")


def arm(trigger: Path, point: str, passes: int = 1) -> None:
    """Ask the process that watches `trigger` to die at the n-th pass of a point from now on; raise NoSuchPoint."""
    _ensure_known(point)
    hit_of(trigger).unlink(missing_ok=True)
    draft = trigger.with_suffix(".draft")
    draft.write_text(f"{point} {passes}", encoding="ascii")
    draft.rename(trigger)


def disarm(trigger: Path) -> bool:
    """Take a trigger back; return False if it was too late."""
    try:
        trigger.unlink()
    except FileNotFoundError:
        return False
    return True


def is_hit(trigger: Path) -> bool:
    """True once the process has died of its trigger."""
    return hit_of(trigger).exists()


def hit_of(trigger: Path) -> Path:
    """Return the name that a trigger has once it has killed."""
    return trigger.with_name(f"{trigger.name}.hit")


def watch(trigger: Path, end: Callable[[], None] = lambda: os.kill(os.getpid(), signal.SIGKILL)) -> None:
    """Look at a trigger whenever this process, or a child of it, passes a point."""
    lock, passed = Lock(), [0]

    def on_pass(point: str) -> None:
        try:
            wanted, number = trigger.read_text(encoding="ascii").split()
        except FileNotFoundError:
            passed[0] = 0
            return
        with lock:
            passed[0] += point == wanted
            if point != wanted or passed[0] < int(number):
                return
            # Whoever renames it is the one to die; another thread is late.
            try:
                trigger.rename(hit_of(trigger))
            except FileNotFoundError:
                return
            end()

    crash_points.arm(on_pass)
