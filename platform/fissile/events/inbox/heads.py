"""What the machine knows of an aggregate: its position, and the rows above it. Touches nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .received import Message


@dataclass(frozen=True)
class Row:
    """A message above its aggregate's position.

    `is_due`: its time has come and nobody's mark holds it. `is_marked`: somebody
    has started it and given no verdict, whether or not the mark's lease still runs.
    """

    message: Message
    state: Literal["waiting", "parked"] = "waiting"
    attempts: int = 0
    is_due: bool = True
    is_marked: bool = False

    @property
    def is_suspect(self) -> bool:
        """True if its last run never came back: the lease of its mark has run out."""
        return self.is_marked and self.is_due


@dataclass(frozen=True)
class Head:
    """A locked position: the version applied last, and the rows above it by version."""

    applied: int
    rows: Mapping[int, Row]

    @property
    def next(self) -> Row | None:
        """The row whose turn it is, if it is here."""
        return self.rows.get(self.applied + 1)
