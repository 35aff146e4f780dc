"""What clients asked for and were told, kept outside the system: every line is on disk before the next request.

May touch: its own file, and nothing of the shop.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bff_app.management.shop import Person, Reply


@dataclass(kw_only=True)
class Placed:
    """One wish for an order, under one key, and what its client was told of it."""

    key: str
    buyer: str
    lines: dict[str, int]
    card: str
    order: str = ""
    total_minor: int = 0
    is_cancelled: bool = False

    @property
    def status(self) -> str:
        """The status that the order must come to."""
        if self.is_cancelled:
            return "cancelled"
        return "rejected" if self.card == "test-card-refused" else "confirmed"


class Journal:
    """All wishes of a closed set of clients. Safe to use from several threads."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="fissile-journal-")) / "journal.jsonl"
        self.placed: list[Placed] = []
        self.people: dict[str, Person] = {}
        self.kills: list[str] = []
        # What a client can tell by itself: a refusal without a reason, a 500, two answers to one key.
        self.wrongs: list[tuple[str, str]] = []
        self.counts: Counter[str] = Counter()
        # What a row measured, in its result as it is; nothing is judged by it.
        self.figures: dict[str, Any] = {}
        # Of each answered request, on the monotonic clock: when it left, and how long it took.
        self.timed: list[tuple[float, float]] = []
        # Keys that were refused because the outbox was full, each to be tried again.
        self.refused: set[str] = set()
        self._file = self.path.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    @property
    def accepted(self) -> list[Placed]:
        """The orders that got a 201."""
        return [placed for placed in self.placed if placed.order]

    def meet(self, person: Person) -> None:
        """Note who is a client."""
        self.people[person.id] = person

    def ask(self, placed: Placed) -> None:
        """Note a wish before it is sent for the first time."""
        with self._lock:
            self.placed.append(placed)
        self._write("wish", key=placed.key, buyer=placed.buyer, lines=placed.lines, card=placed.card)

    def attempt(self, key: str, what: str) -> None:
        """Note that a request leaves now."""
        self._write("attempt", key=key, what=what)

    def unknown(self, key: str, what: str, why: str) -> None:
        """Note that nobody can tell what became of a request."""
        self._write("unknown", key=key, what=what, why=why)

    def full(self, key: str, reply: Reply) -> None:
        """Note a refusal because too many events wait; without a Retry-After it is wrong (I10)."""
        with self._lock:
            self.refused.add(key)
            if "retry-after" not in reply.headers:
                self.wrongs.append(("I10", f"{key} was refused without Retry-After: {reply.body}"))
        self._write("outbox_full", key=key)

    def answer(self, placed: Placed, reply: Reply) -> None:
        """Note the answer to a wish; another answer than before to the same key is wrong (I3)."""
        self._write("answer", key=placed.key, status=reply.status, body=reply.body)
        with self._lock:
            if reply.status != 201:
                self.wrongs.append(("I1", f"{placed.key} was refused: {reply.status} {reply.body}"))
            elif placed.order and placed.order != reply.body["id"]:
                self.wrongs.append(("I3", f"{placed.key} made {placed.order}, then {reply.body['id']}"))
            else:
                placed.order, placed.total_minor = reply.body["id"], reply.body["total"]["amount_minor"]

    def cancel(self, placed: Placed, reply: Reply) -> None:
        """Note the answer to a cancellation."""
        self._write("cancel", key=placed.key, status=reply.status)
        with self._lock:
            placed.is_cancelled = reply.status == 200
            if reply.status != 200:
                self.wrongs.append(("I1", f"{placed.order} could not be cancelled: {reply.status} {reply.body}"))

    def count(self, what: str) -> None:
        """Add one to a figure of the run."""
        with self._lock:
            self.counts[what] += 1

    def fault(self, what: str) -> None:
        """Note a fault that was injected."""
        self.kills.append(what)
        self._write("fault", what=what)

    def close(self, *, is_needed: bool) -> None:
        """Close the file, and leave it only to somebody who wants to know what went wrong."""
        self._file.close()
        if not is_needed:
            shutil.rmtree(self.path.parent)

    def _write(self, event: str, **facts: Any) -> None:
        with self._lock:
            self.counts[event] += 1
            self._file.write(json.dumps({"event": event, **facts}) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
