"""The relay's rows: one owner per lane, fenced; troubled aggregates wait, all others go on."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.db.models import F

from fissile.data.clock import Clock
from fissile.data.guard import writing
from fissile.events.models import LANES, lane_of
from fissile.events.relay.core import Claim
from fissile.events.relay.shell import PUBLISH_DEADLINE_SECONDS
from fissile.events.relay.store import RENEW_BELOW_SECONDS, OutboxStore

from .baskets import fill, lane, outbox
from .relay_hands import ALL, claimed, left_of, refused, relay, settle, the_leases_run_out

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)


def test_a_lane_has_one_owner_until_its_lease_runs_out():
    store, first = relay("a", [3, 4])

    assert first == {3: 1, 4: 1}
    assert store.acquire("b", [3, 4, 5]) == {5: 1}
    the_leases_run_out([4])
    assert store.acquire("b", [3, 4]) == {4: 2}


def test_the_fence_grows_also_when_the_same_owner_comes_back():
    store, first = relay()
    store.release(first)

    assert store.acquire("a", ALL) == dict.fromkeys(ALL, 2)


def test_of_relays_that_race_for_free_lanes_each_lane_gets_one():
    store, first = relay("first")
    store.release(first)
    won, start = [], threading.Barrier(6)

    def race(name):
        start.wait(10)
        won.append(OutboxStore("shoplet").acquire(name, ALL))
        connections["shoplet"].close()

    threads = [threading.Thread(target=race, args=(str(number),)) for number in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)

    assert len(won) == 6
    assert sorted(lane for fences in won for lane in fences) == list(ALL)
    assert {fence for fences in won for fence in fences.values()} == {2}


def test_a_zombie_can_neither_claim_nor_mark_nor_give_back():
    fill()
    store, old = relay("zombie")
    (row,) = claimed(store, old)
    the_leases_run_out()
    new = store.acquire("heir", ALL)

    assert claimed(store, old) == []
    assert store.settle(settle(old, sent=[row.id])) == (set(ALL), None)
    store.release(old)

    assert outbox().get().sent_at is None
    assert {one.owner for one in lane()} == {"heir"}
    assert store.settle(settle(new, sent=[row.id])) == (frozenset(), None)
    assert outbox().get().sent_at is not None


def test_a_batch_of_which_one_lane_was_lost_is_settled_but_for_that_lane():
    for _ in range(40):
        fill()
    store, fences = relay()
    rows = claimed(store, fences, 40)
    lost = rows[0].lane
    bad = next(row for row in rows if row.lane != lost)
    the_leases_run_out([lost])
    store.acquire("heir", [lost])

    gone, _ = store.settle(settle(fences, sent=[row.id for row in rows if row != bad], failed=[refused(bad)]))

    assert gone == {lost}
    assert {row.id for row in outbox().filter(sent_at=None)} == {row.id for row in rows if row.lane == lost} | {bad.id}
    assert [row.id for row in outbox().filter(attempts=1)] == [bad.id]


def test_a_claim_renews_what_is_held_and_tells_how_all_lanes_stand():
    store, fences = relay("a", [1, 2])
    store.acquire("b", [3])
    the_leases_run_out([2])

    _, lanes = store.claim(Claim(fences, 10))

    seen = {one.number: one for one in lanes}
    assert len(seen) == LANES
    assert [(seen[number].owner, seen[number].is_free) for number in (1, 2, 3)] == [
        ("a", False), ("a", False), ("b", False),
    ]  # fmt: skip
    assert 4 < seen[2].left_seconds <= 5
    assert seen[0].is_free


def test_only_rows_of_held_lanes_are_claimed():
    for _ in range(30):
        fill()
    wanted = {0, 5, 9}
    store, fences = relay("a", sorted(wanted))

    rows = claimed(store, fences, 30)

    assert {row.id for row in rows} == {row.id for row in outbox() if row.lane in wanted}
    assert all(row.lane == lane_of(row.aggregate) for row in rows)


def test_a_paused_lane_is_neither_taken_nor_renewed():
    store, fences = relay("a", [6, 7])
    with writing("shoplet"):
        lane().filter(lane=7).update(paused=True, lease_until=Clock())

    _, lanes = store.claim(Claim(fences, 10))

    assert [one.is_free for one in lanes if one.number in fences] == [False, True]
    assert store.acquire("b", [7]) == {}


def test_a_promised_lane_goes_to_the_relay_that_asked_and_the_promise_is_over():
    store, fences = relay("a", [6, 7])

    store.ask("b", [7])
    store.ask("c", [6, 7])
    _, lanes = store.claim(Claim(fences, 10))
    store.release({7: fences[7]})

    assert [one.wanted_by for one in lanes if one.number in fences] == ["c", "b"]
    assert store.acquire("c", [7]) == {}
    assert store.acquire("b", [7]) == {7: 2}
    assert (lane().get(lane=7).wanted_by, lane().get(lane=7).wanted_until) == ("", None)


def test_a_promise_to_a_relay_that_is_gone_ends_by_itself():
    store, fences = relay("a", [7])
    store.ask("gone", [7])
    with writing("shoplet"):
        lane().update(wanted_until=Clock())

    _, lanes = store.claim(Claim(fences, 10))
    store.release(fences)

    assert {one.wanted_by for one in lanes} == {""}
    assert store.acquire("b", [7]) == {7: 2}


def test_rows_are_claimed_in_the_order_they_were_recorded_and_only_so_many():
    baskets = [fill(2) for _ in range(3)]

    rows = claimed(*relay(), 5)

    assert [(row.aggregate, row.version) for row in rows] == [
        (f"basket/{basket}", version) for basket in baskets for version in (1, 2)
    ][:5]


def test_a_row_that_commits_late_with_a_lower_number_is_claimed_all_the_same():
    fill()
    fill()
    low, high = outbox().order_by("seq")
    store, fences = relay()
    store.settle(settle(fences, sent=[high.id]))

    assert [row.id for row in claimed(store, fences)] == [low.id]


def test_a_refused_event_holds_its_own_aggregate_back_and_no_other():
    troubled, other = fill(2), fill(1)
    store, fences = relay()
    (first, *_) = claimed(store, fences)

    store.settle(settle(fences, failed=[refused(first)]))

    assert {row.aggregate for row in claimed(store, fences)} == {f"basket/{other}"}
    waiting = outbox().get(aggregate=f"basket/{troubled}", version=1)
    assert (waiting.attempts, waiting.reason, waiting.parked_at) == (1, "nacked", None)


def test_a_refused_event_goes_again_when_its_time_has_come():
    fill()
    store, fences = relay()
    (row,) = claimed(store, fences)
    store.settle(settle(fences, failed=[refused(row)]))
    assert claimed(store, fences) == []

    with writing("shoplet"):
        outbox().update(next_at=F("next_at") - timedelta(seconds=61))

    assert [again.id for again in claimed(store, fences)] == [row.id]


def test_a_parked_event_keeps_its_aggregate_waiting_until_somebody_replays_it():
    fill(2)
    store, fences = relay()
    (row, _) = claimed(store, fences)

    store.settle(settle(fences, failed=[refused(row, park=True, retry_seconds=0)]))

    assert claimed(store, fences) == []
    with writing("shoplet"):
        outbox().filter(id=row.id).update(parked_at=None, attempts=0, next_at=None)
    assert [one.version for one in claimed(store, fences)] == [1, 2]


def test_a_parked_event_holds_back_later_versions_and_never_an_earlier_one():
    fill(3)
    store, fences = relay()
    (_, second, _) = claimed(store, fences)

    store.settle(settle(fences, failed=[refused(second, park=True, retry_seconds=0)]))

    assert [row.version for row in claimed(store, fences)] == [1]


def test_an_event_nobody_is_bound_to_is_noted_and_not_charged():
    fill()
    store, fences = relay()
    (row,) = claimed(store, fences)

    store.settle(settle(fences, returned=[row.id], reason="no consumer is bound"))

    (again,) = claimed(store, fences)
    assert (again.attempts, outbox().get(id=again.id).reason) == (0, "no consumer is bound")


def test_what_was_sent_is_marked_once_and_for_ever():
    fill()
    store, fences = relay()
    (row,) = claimed(store, fences)
    store.settle(settle(fences, sent=[row.id]))
    marked = outbox().get().sent_at

    store.settle(settle(fences, sent=[row.id], failed=[refused(row)]))

    assert (outbox().get().sent_at, outbox().get().attempts) == (marked, 0)


def test_replaying_a_parked_event_sends_it_before_what_waited_behind_it_also_while_others_are_parked():
    fill()
    fill(3)
    stuck, *versions = outbox().order_by("seq")
    store, fences = relay()
    claimed(store, fences)
    store.settle(settle(fences, failed=[refused(stuck, park=True), refused(versions[0], park=True)]))
    fill()
    (later,) = claimed(store, fences)
    assert later.seq > versions[-1].seq

    with writing("shoplet"):
        outbox().filter(id=versions[0].id).update(parked_at=None, attempts=0, next_at=None)

    assert [row.seq for row in claimed(store, fences)] == [*(row.seq for row in versions), later.seq]


def test_what_was_not_confirmed_is_claimed_again_also_while_others_are_parked():
    fill()
    for _ in range(20):
        fill()
    stuck, *others = outbox().order_by("seq")
    store, fences = relay()
    claimed(store, fences)
    store.settle(settle(fences, failed=[refused(stuck, park=True)]))

    first = claimed(store, fences)
    store.settle(settle(fences, sent=[first[0].id]))
    again = claimed(store, fences)

    assert [row.seq for row in again] == [row.seq for row in others][1:11]


def test_a_row_that_commits_late_is_found_within_a_second_also_while_another_is_parked(monkeypatch):
    for _ in range(3):
        fill()
    stuck, late, early = outbox().order_by("seq")
    store, fences = relay()
    claimed(store, fences)
    store.settle(settle(fences, sent=[late.id], failed=[refused(stuck, park=True)]))
    claimed(store, fences)
    with writing("shoplet"):
        outbox().filter(id=late.id).update(sent_at=None)
    assert [row.seq for row in claimed(store, fences)] == [early.seq]

    monkeypatch.setattr("fissile.events.relay.store.PASS_SECONDS", 0.0)

    assert [row.seq for row in claimed(store, fences)] == [late.seq, early.seq]


def test_a_claim_renews_a_lease_of_which_a_fifth_is_gone_and_writes_nothing_before():
    store, fences = relay("a")
    began = lane().get(lane=3).lease_until

    store.claim(Claim(fences, 10))
    unchanged = lane().get(lane=3).lease_until
    with writing("shoplet"):
        lane().filter(lane=3).update(lease_until=Clock() + timedelta(seconds=RENEW_BELOW_SECONDS))
    _, lanes = store.claim(Claim(fences, 10))

    assert unchanged == began
    assert left_of(lanes)[3] > RENEW_BELOW_SECONDS
    # Twice what a batch may take: at its deadline it is marked while the lease holds.
    assert RENEW_BELOW_SECONDS >= 2 * PUBLISH_DEADLINE_SECONDS


def test_a_claim_renews_no_lease_of_a_lane_that_was_paused():
    store, fences = relay("a")
    soon = Clock() + timedelta(seconds=1)
    with writing("shoplet"):
        lane().update(lease_until=soon)
        lane().filter(lane=3).update(paused=True)

    _, lanes = store.claim(Claim(fences, 10))

    renewed = {number for number, left in left_of(lanes).items() if left > RENEW_BELOW_SECONDS}
    assert renewed == set(ALL) - {3}


def test_rows_of_many_lanes_come_in_the_order_of_their_insertion_also_when_one_has_most():
    hot = f"basket/{fill(60)}"
    others = [f"basket/{fill()}" for _ in range(40)]
    store, fences = relay("a")

    rows = claimed(store, fences, 50)

    assert [row.seq for row in rows] == list(outbox().order_by("seq").values_list("seq", flat=True)[:50])
    assert {row.aggregate for row in claimed(store, fences, 200)} == {hot, *others}
