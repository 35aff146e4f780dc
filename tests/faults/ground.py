"""What a fault is given: a running house, its clients' journal, ears on its streams, and a seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from bff_app.management.shop import UnexpectedReply
from tests.house import RunningHouse

from .journal import Journal
from .link import Link
from .reading import Taps


@dataclass(kw_only=True)
class Ground:
    """One run's. `poison`: consumer → ids of the events that a fault made impossible to apply there.

    `patches`: those of the control, which a further process of the house has as well.
    `link`: what lies between the house and its broker, in a row that asks for one.
    """

    house: RunningHouse
    taps: Taps
    seed: str
    journal: Journal = field(default_factory=Journal)
    poison: dict[str, frozenset[str]] = field(default_factory=dict)
    patches: Mapping[str, str] = field(default_factory=dict)
    link: Link | None = None


@contextmanager
def noted(ground: Ground) -> Iterator[None]:
    """Note what was waited for in vain (I10), and go on."""
    try:
        yield
    except UnexpectedReply as late:
        ground.journal.wrongs.append(("I10", str(late)))
