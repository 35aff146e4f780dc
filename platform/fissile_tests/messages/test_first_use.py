"""Threads that meet a shape for the first time at the same moment: a consumer's backlog after a restart."""

from __future__ import annotations

import subprocess
import sys

# In a process of its own: what it looks for ends the process without a word.
FOUR_THREADS_MEET_NEW_SHAPES = """
import sys, threading, types
from fissile.messages import from_wire

sys.setswitchinterval(1e-5)
NEW = '''
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

@dataclass(frozen=True)
class Line:
    sku: str
    quantity: int

@dataclass(frozen=True)
class Basket:
    id: UUID
    state: Literal["open", "paid"] | None
    at: datetime
    lines: list[Line]
    gifts: dict[str, Line]
'''
LINE = {"sku": "saw", "quantity": 1}
SENT = {"id": "4bf92f35-77b3-4da6-a3ce-929d0e0e4736", "state": "open", "at": "2026-01-01T00:00:00Z",
        "lines": [LINE], "gifts": {"a": LINE}}
shapes = []
for number in range(600):
    module = sys.modules[f"new{number}"] = types.ModuleType(f"new{number}")
    exec(NEW, vars(module))
    shapes.append((module.Basket, module.Line))
together, read = threading.Barrier(4), []

def meet(number):
    for basket, line in shapes:
        together.wait()
        shape, sent = (basket, SENT) if number else (line, LINE)
        read.append(from_wire(shape, sent))

threads = [threading.Thread(target=meet, args=[number]) for number in range(4)]
for one in threads:
    one.start()
for one in threads:
    one.join()
print(len(read))
"""


def test_a_shape_that_threads_meet_for_the_first_time_at_once_ends_no_process():
    done = subprocess.run(
        [sys.executable, "-c", FOUR_THREADS_MEET_NEW_SHAPES], capture_output=True, text=True, timeout=120, check=False
    )

    assert (done.returncode, done.stdout.strip()) == (0, "2400"), done.stderr
