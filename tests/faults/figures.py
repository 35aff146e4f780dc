"""What a run measures beside its checks: lags from commit to effect, and the spread of times. Nothing is judged by it.

May touch: outboxes and inboxes, read only.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

from fissile.data.clock import moment
from tests.house import CONSUMERS, RunningHouse

from .reading import identity


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Return how many there are, and in milliseconds the middle one, the 99th of a hundred and the longest."""
    if not seconds:
        return {"count": 0}
    ordered = sorted(seconds)
    return {
        "count": len(ordered),
        "p50_ms": _milliseconds(ordered[math.ceil(0.50 * len(ordered)) - 1]),
        "p99_ms": _milliseconds(ordered[math.ceil(0.99 * len(ordered)) - 1]),
        "longest_ms": _milliseconds(ordered[-1]),
    }


def lags(
    house: RunningHouse, consumer: str, *, since: float, until: float, without: Collection[str] = ()
) -> list[float]:
    """Return the seconds from an event's record to its effect at a consumer, of events of a span of Unix time.

    Both times are the databases' clocks, which on one machine are one. `without`: aggregates that are left out.
    """
    context, source = consumer.split(".", 1)
    recorded = {
        identity(key): moment(at).timestamp()
        for key, aggregate, at in house.rows(source, f"SELECT id, aggregate, recorded_at FROM {source}_outbox")
        if aggregate not in without
    }
    sql = f"SELECT message_id, applied_at FROM {context}_inbox WHERE consumer = '{consumer}' AND state = 'applied'"
    applied = {identity(key): moment(at).timestamp() for key, at in house.rows(context, sql)}
    return [applied[key] - at for key, at in recorded.items() if since <= at <= until and key in applied]


def bystanders(
    house: RunningHouse, consumer: str, *, since: float, until: float, without: Collection[str]
) -> dict[str, Any]:
    """Return the spread of lags at the consumer with poison, and at all others together."""
    others = [lag for name in CONSUMERS if name != consumer for lag in lags(house, name, since=since, until=until)]
    return {
        "same_consumer": spread(lags(house, consumer, since=since, until=until, without=without)),
        "other_consumers": spread(others),
    }


def ratio(phase: dict[str, Any], baseline: dict[str, Any]) -> dict[str, float]:
    """Return how many times the 99th of a hundred lags is what it was without poison."""
    return {
        who: round(phase[who]["p99_ms"] / baseline[who]["p99_ms"], 2)
        for who in ("same_consumer", "other_consumers")
        if phase[who]["count"] and baseline[who]["count"]
    }


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)
