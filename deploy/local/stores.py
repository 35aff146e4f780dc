"""The private stores of a house on the real tier: started with the first house, stopped with the last.

May touch: `services up` and `services down`, <services>/houses.lock. Stores that ran before are left running.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .house import ROOT
from .services.instance import STARTED, with_houses


class StoresMissing(Exception):
    """The stores do not run; `services up` has said why, or somebody pressed Ctrl-C."""


@contextmanager
def stores_for_a_house(folder: Path, base: int | None) -> Iterator[None]:
    """Have PostgreSQL and RabbitMQ running inside the block; signals that stop a house stop their start, too.

    Raise StoresMissing when they do not run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "houses.lock").open("a") as lock:
        # Every house has a share, and who gets the whole lock at the end was the last. Waits while one stops them.
        fcntl.flock(lock, fcntl.LOCK_SH)
        try:
            if not _start(folder, base):
                raise StoresMissing
            yield
        finally:
            _stop_if_last(folder, lock.fileno())


def _start(folder: Path, base: int | None) -> bool:
    words = ["--base", str(base)] if base else []
    stops: list[int] = []
    running: list[subprocess.Popen[bytes]] = []

    def stop(number: int, frame: object) -> None:
        stops.append(number)
        for each in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(each.pid, signal.SIGINT)

    # They stay until the supervisor sets its own: no moment may be without.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    running.append(_services(folder, "up", "--tell-started", *words))
    code = running[0].wait()
    if code == STARTED or (stops and code):
        with_houses(folder).touch()
    return code in (0, STARTED) and not stops


def _stop_if_last(folder: Path, lock: int) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    if with_houses(folder).exists():
        print(f"{time.strftime('%H:%M:%S')} stopping PostgreSQL and RabbitMQ", flush=True)
        if _services(folder, "down").wait() == 0:
            with_houses(folder).unlink(missing_ok=True)


def _services(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    # A group of its own: a Ctrl-C in the terminal is for the house, which then says what is to stop.
    command = [sys.executable, "-m", "deploy.local.services", *words, "--dir", str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, process_group=0)
