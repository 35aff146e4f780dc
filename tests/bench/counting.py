"""What every measured run must add up to: each message once, each aggregate in order. May touch: nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

SETTLE_SECONDS = 60.0


class Difference(Exception):
    """A run lost, doubled, invented or reordered messages; its figures are worth nothing."""


def ensure_same(expected: Iterable[str], found: Iterable[str], where: str) -> None:
    """Raise Difference unless `found` has the same ids as `expected`, each as often."""
    # Of a mapping the keys are meant, which Counter would take for counts.
    due, here = Counter(iter(expected)), Counter(iter(found))
    if due == here:
        return
    missing, extra = due - here, here - due
    raise Difference(
        f"{where}: {missing.total()} missing, {extra.total()} too many, of {due.total()};"
        f" such as {[*missing, *extra][:3]}"
    )


def ensure_in_order(heard: Iterable[tuple[str, int]], where: str) -> None:
    """Raise Difference unless the versions of each aggregate are 1, 2, 3 … as they come."""
    last: Counter[str] = Counter()
    for aggregate, version in heard:
        if version != last[aggregate] + 1:
            raise Difference(f"{where}: version {version} of {aggregate} came after {last[aggregate]}")
        last[aggregate] = version


def ensure_empty(left: int, where: str) -> None:
    """Raise Difference if something is left where nothing may be."""
    if left:
        raise Difference(f"{where}: {left} left")


def wait_for(is_so: Callable[[], bool]) -> None:
    """Wait until something is so; raise Difference when patience ends."""
    ends = time.monotonic() + SETTLE_SECONDS
    while not is_so():
        if time.monotonic() > ends:
            raise Difference(f"not everything came within {SETTLE_SECONDS:g} s")
        time.sleep(0.1)


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the sorted values lie."""
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]
