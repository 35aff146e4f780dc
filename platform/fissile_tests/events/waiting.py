"""Waiting for what another thread or process commits."""

from __future__ import annotations

import threading
import time


def until(condition, seconds=60.0):
    """Look until `condition()` is true, which reads the database anew each time; fail after `seconds`."""
    ends, pause = time.monotonic() + seconds, threading.Event()
    while not condition() and time.monotonic() < ends:
        pause.wait(0.02)
    assert condition()
