"""A relay's hands on shoplet's outbox: leases, claims, verdicts."""

from __future__ import annotations

from fissile.data.clock import Clock
from fissile.data.guard import writing
from fissile.events.models import LANES
from fissile.events.relay.core import Claim, Failure, Settle
from fissile.events.relay.store import OutboxStore

from .baskets import lane

ALL = range(LANES)


def relay(name="a", lanes=ALL):
    """Return the store of a relay that holds `lanes`, and their fences."""
    store = OutboxStore("shoplet")
    store.claim(Claim({}, 1))
    return store, store.acquire(name, lanes)


def claimed(store, fences, limit=10):
    rows, _ = store.claim(Claim(fences, limit))
    return rows


def the_leases_run_out(lanes=ALL):
    with writing("shoplet"):
        lane().filter(lane__in=lanes).update(lease_until=Clock())


def settle(fences, sent=(), failed=(), returned=(), reason=""):
    return Settle(fences, tuple(str(one) for one in sent), tuple(failed), tuple(str(one) for one in returned), reason)


def refused(row, *, park=False, retry_seconds=60.0):
    return Failure(id=str(row.id), reason="nacked", retry_seconds=retry_seconds, park=park)


def left_of(lanes):
    return {one.number: one.left_seconds for one in lanes}
