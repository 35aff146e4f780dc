"""How relays share the lanes of one outbox, free of I/O: from what one of them sees to what it does.

Each decides alone, from the lane rows. May touch: nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A lane as its row stands. `left_seconds` is what is left of its lease, at most 0 if it has ended.

    `wanted_by` is the relay to which it is promised; empty, too, once that promise has ended.
    """

    number: int
    owner: str = ""
    fence: int = 0
    left_seconds: float = 0.0
    paused: bool = False
    wanted_by: str = ""

    @property
    def is_free(self) -> bool:
        """True if nobody's lease is running."""
        return self.left_seconds <= 0

    def is_promised(self, relay: str) -> bool:
        """True if a relay other than `relay` is to have it."""
        return self.wanted_by not in ("", relay)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a relay does next about lanes: give back, take, and ask other relays for."""

    give: tuple[int, ...] = ()
    take: tuple[int, ...] = ()
    ask: tuple[int, ...] = ()


def lost_lanes(held: Mapping[int, int], lanes: Iterable[Lane]) -> tuple[int, ...]:
    """Return those of the lanes held under a fence that somebody has taken since."""
    return tuple(lane.number for lane in lanes if held.get(lane.number, lane.fence) != lane.fence)


def share_out(me: str, held: Iterable[int], lanes: Iterable[Lane], *, stands_by: bool = False) -> Plan:
    """Return what `me`, which holds `held`, does so that all running relays come to hold as much.

    A relay takes free lanes up to its share, rounded up. When none is free, it asks the
    richest for up to its share, rounded down, or for one: never more than half of what
    that one has beyond itself, so that no lane goes to and fro. An owner gives back
    what is paused or promised. One that `stands_by` wants lanes only while no other
    relay has any.
    """
    mine, shared = set(held), [lane for lane in lanes if not lane.paused]
    others = {lane.owner for lane in shared if not lane.is_free} | {lane.wanted_by for lane in shared}
    others -= {"", me}
    if stands_by and others:
        return Plan(give=tuple(sorted(mine)))
    kept = {lane.number for lane in shared if lane.number in mine and not lane.is_promised(me)}
    fewest, rest = divmod(len(shared), len(others) + 1)
    free = [lane.number for lane in shared if lane.is_free and not lane.is_promised(me) and lane.number not in mine]
    take = tuple(free[: max(0, fewest + bool(rest) - len(kept))])
    return Plan(
        give=tuple(sorted(mine - kept)),
        take=take,
        ask=() if free else _wishes(me, len(kept), fewest, [lane for lane in shared if lane.number not in mine]),
    )


def _wishes(me: str, kept: int, fewest: int, lanes: list[Lane]) -> tuple[int, ...]:
    taken = [lane for lane in lanes if not lane.is_free and lane.owner != me]
    # What is promised to somebody already counts as theirs. So does what stands under the name
    # of a relay that has lost its session: nobody else has it, and the lease ends soon.
    coming = kept + sum(lane.wanted_by == me or (lane.owner == me and not lane.is_free) for lane in lanes)
    riches = Counter(lane.owner for lane in taken if not lane.wanted_by)
    if not riches:
        return ()
    richest = max(sorted(riches), key=lambda owner: riches[owner])
    count = min(max(1, fewest - coming), (riches[richest] - coming) // 2)
    theirs = sorted(lane.number for lane in taken if lane.owner == richest and not lane.wanted_by)
    return tuple(theirs[len(theirs) - count :]) if count > 0 else ()
