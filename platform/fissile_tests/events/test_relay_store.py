"""The relay's rows: one owner at a time, fenced; troubled aggregates wait, all others go on."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.db.models import F

from fissile.data.clock import Clock
from fissile.events.relay.core import Failure, Settle
from fissile.events.relay.store import OutboxStore

from .baskets import fill, lane, outbox

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)


def the_lease_runs_out():
    lane().update(lease_until=Clock())


def settle(fence, sent=(), failed=(), returned=(), reason=""):
    return Settle(fence, tuple(str(one) for one in sent), tuple(failed), tuple(str(one) for one in returned), reason)


def refused(row, *, park=False, retry_seconds=60.0):
    return Failure(id=str(row.id), reason="nacked", retry_seconds=retry_seconds, park=park)


def test_a_lease_has_one_owner_until_it_runs_out():
    store = OutboxStore("shoplet")

    assert store.acquire("a") == 1
    assert store.acquire("b") is None
    assert 0 < store.lease_left() <= 10
    the_lease_runs_out()
    assert store.acquire("b") == 2


def test_the_fence_grows_also_when_the_same_owner_comes_back():
    store = OutboxStore("shoplet")
    first = store.acquire("a")
    store.release(first)

    assert store.acquire("a") == first + 1


def test_of_relays_that_race_for_a_free_lane_one_wins():
    OutboxStore("shoplet").release(OutboxStore("shoplet").acquire("first"))
    fences, start = [], threading.Barrier(6)

    def race(name):
        start.wait(10)
        fences.append(OutboxStore("shoplet").acquire(name))
        connections["shoplet"].close()

    threads = [threading.Thread(target=race, args=(str(number),)) for number in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)

    assert sorted(fence for fence in fences if fence is not None) == [2]
    assert len(fences) == 6


def test_a_zombie_can_neither_claim_nor_mark_nor_give_back():
    fill()
    store = OutboxStore("shoplet")
    old = store.acquire("zombie")
    (row,) = store.claim(old, 10)
    the_lease_runs_out()
    new = store.acquire("heir")

    assert store.claim(old, 10) is None
    assert not store.settle(settle(old, sent=[row.id]))
    store.release(old)

    assert outbox().get().sent_at is None
    assert lane().get().owner == "heir"
    assert store.settle(settle(new, sent=[row.id]))
    assert outbox().get().sent_at is not None


def test_a_paused_lane_is_neither_taken_nor_kept():
    store = OutboxStore("shoplet")
    fence = store.acquire("a")
    lane().update(paused=True)

    assert store.claim(fence, 10) is None
    the_lease_runs_out()
    assert store.acquire("a") is None


def test_rows_are_claimed_in_the_order_they_were_recorded_and_only_so_many():
    baskets = [fill(2) for _ in range(3)]
    store = OutboxStore("shoplet")

    claimed = store.claim(store.acquire("a"), 5)

    assert [(row.aggregate, row.version) for row in claimed] == [
        (f"basket/{basket}", version) for basket in baskets for version in (1, 2)
    ][:5]


def test_a_row_that_commits_late_with_a_lower_number_is_claimed_all_the_same():
    fill()
    fill()
    low, high = outbox().order_by("seq")
    store = OutboxStore("shoplet")
    fence = store.acquire("a")
    store.settle(settle(fence, sent=[high.id]))

    assert [row.id for row in store.claim(fence, 10)] == [low.id]


def test_a_refused_event_holds_its_own_aggregate_back_and_no_other():
    troubled, other = fill(2), fill(1)
    store = OutboxStore("shoplet")
    fence = store.acquire("a")
    (first, *_) = store.claim(fence, 10)

    store.settle(settle(fence, failed=[refused(first)]))

    assert {row.aggregate for row in store.claim(fence, 10)} == {f"basket/{other}"}
    waiting = outbox().get(aggregate=f"basket/{troubled}", version=1)
    assert (waiting.attempts, waiting.reason, waiting.parked_at) == (1, "nacked", None)


def test_a_refused_event_goes_again_when_its_time_has_come():
    fill()
    store = OutboxStore("shoplet")
    fence = store.acquire("a")
    (row,) = store.claim(fence, 10)
    store.settle(settle(fence, failed=[refused(row)]))
    assert store.claim(fence, 10) == []

    outbox().update(next_at=F("next_at") - timedelta(seconds=61))

    assert [again.id for again in store.claim(fence, 10)] == [row.id]


def test_a_parked_event_keeps_its_aggregate_waiting_until_somebody_replays_it():
    fill(2)
    store = OutboxStore("shoplet")
    fence = store.acquire("a")
    (row, _) = store.claim(fence, 10)

    store.settle(settle(fence, failed=[refused(row, park=True, retry_seconds=0)]))

    assert store.claim(fence, 10) == []
    outbox().filter(id=row.id).update(parked_at=None, attempts=0, next_at=None)
    assert [one.version for one in store.claim(fence, 10)] == [1, 2]


def test_an_event_nobody_is_bound_to_is_noted_and_not_charged():
    fill()
    store = OutboxStore("shoplet")
    fence = store.acquire("a")
    (row,) = store.claim(fence, 10)

    store.settle(settle(fence, returned=[row.id], reason="no consumer is bound"))

    (again,) = store.claim(fence, 10)
    assert (again.attempts, again.reason) == (0, "no consumer is bound")


def test_what_was_sent_is_marked_once_and_for_ever():
    fill()
    store = OutboxStore("shoplet")
    fence = store.acquire("a")
    (row,) = store.claim(fence, 10)
    store.settle(settle(fence, sent=[row.id]))
    marked = outbox().get().sent_at

    store.settle(settle(fence, sent=[row.id], failed=[refused(row)]))

    assert (outbox().get().sent_at, outbox().get().attempts) == (marked, 0)
