"""Marks and the next claim in one transaction, with what is in flight left out; rows as they go out."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.db import connections

from fissile.data.clock import Clock
from fissile.data.guard import writing
from fissile.events.models import LANES
from fissile.events.relay.core import Claim, Pending
from fissile.events.relay.store import RENEW_BELOW_SECONDS

from .baskets import fill, lane, outbox
from .relay_hands import claimed, left_of, refused, relay, settle, the_leases_run_out

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)


def in_flight(rows):
    return tuple(Pending(id=str(row.id), lane=row.lane, row=row) for row in rows)


def settled(fences, sent=(), then=None, **more):
    return replace(settle(fences, sent, **more), then=then)


def seqs(rows):
    return [row.seq for row in rows]


def test_marks_and_the_next_claim_are_one_transaction_and_what_is_in_flight_is_left_out():
    for _ in range(9):
        fill()
    everything = seqs(outbox().order_by("seq"))
    store, fences = relay()
    first = claimed(store, fences, 3)
    ahead, _ = store.claim(Claim(fences, 3, in_flight(first)))

    lost, (rows, lanes) = store.settle(settled(fences, [row.id for row in first], Claim(fences, 2, in_flight(ahead))))

    assert (lost, len(lanes)) == (frozenset(), LANES)
    assert [seqs(first), seqs(ahead), seqs(rows)] == [everything[:3], everything[3:6], everything[6:8]]
    assert seqs(outbox().filter(sent_at=None).order_by("seq")) == everything[3:]


def test_of_a_lane_that_was_lost_nothing_is_marked_and_nothing_claimed():
    for _ in range(40):
        fill()
    rows = list(outbox().order_by("seq"))
    store, fences = relay()
    gone = rows[0].lane
    the_leases_run_out([gone])
    store.acquire("heir", [gone])

    lost, (next_rows, lanes) = store.settle(settled(fences, [row.id for row in rows[:20]], Claim(fences, 40)))

    assert lost == {gone}
    assert {row.id for row in next_rows} == {row.id for row in rows[20:] if row.lane != gone}
    assert next(one.owner for one in lanes if one.number == gone) == "heir"
    assert set(outbox().filter(sent_at=None)) == set(rows[20:]) | {row for row in rows if row.lane == gone}


def test_rows_read_with_a_settling_keep_behind_what_was_refused_in_it():
    fill(3)
    other = fill()
    versions = list(outbox().order_by("seq"))[:3]
    store, fences = relay()

    lost, (rows, _) = store.settle(settled(fences, failed=[refused(versions[0])], then=Claim(fences, 10)))

    assert (lost, {row.aggregate for row in rows}) == (frozenset(), {f"basket/{other}"})


def test_a_settling_that_is_not_committed_marks_nothing(monkeypatch):
    fill()
    row = outbox().get()
    store, fences = relay()

    def fails(point):
        raise RuntimeError(point)

    monkeypatch.setattr("fissile.events.relay.store.reached", fails)
    with pytest.raises(RuntimeError, match="marked_uncommitted"):
        store.settle(settled(fences, [row.id], Claim(fences, 10)))

    assert outbox().get().sent_at is None


def test_a_settling_renews_leases_that_a_claim_would_renew():
    store, fences = relay()
    with writing("shoplet"):
        lane().update(lease_until=Clock() + timedelta(seconds=1))

    _, (_, lanes) = store.settle(settled(fences, then=Claim(fences, 10)))

    assert all(left > RENEW_BELOW_SECONDS for left in left_of(lanes).values())


def test_behind_trouble_a_pass_goes_on_from_what_is_still_in_flight():
    for _ in range(5):
        fill()
    stuck, *others = outbox().order_by("seq")
    store, fences = relay()
    store.settle(settle(fences, failed=[refused(stuck, park=True)]))
    first = claimed(store, fences, 2)
    store.claim(Claim(fences, 2, in_flight(first)))

    # Nothing of the first came through.
    assert seqs(claimed(store, fences, 4)) == [row.seq for row in others]


def test_a_row_is_read_as_it_goes_out():
    fill()
    stored = outbox().get()
    store, fences = relay()

    (row,) = claimed(store, fences)

    assert json.loads(row.payload) == stored.payload
    assert row.headers == stored.headers
    assert datetime.fromisoformat(row.recorded_at) == stored.recorded_at
    assert row.recorded_at.endswith("Z")


@pytest.fixture
def server_side_binding():
    """A message then holds one statement, and parameters go beside it, each with a type."""
    connection = connections["shoplet"]
    connection.close()
    connection.settings_dict["OPTIONS"]["server_side_binding"] = True
    yield
    connection.close()
    del connection.settings_dict["OPTIONS"]["server_side_binding"]


@pytest.mark.real
def test_with_server_side_binding_a_relay_claims_settles_and_renews_all_the_same(server_side_binding):
    for _ in range(6):
        fill()
    stuck, *others = outbox().order_by("seq")
    store, fences = relay()
    with writing("shoplet"):
        lane().update(lease_until=Clock() + timedelta(seconds=1))

    first = claimed(store, fences, 2)
    lost, (ahead, lanes) = store.settle(settled(fences, failed=[refused(stuck)], then=Claim(fences, 2)))
    last, (rows, _) = store.settle(settled(fences, [first[1].id], Claim(fences, 9, in_flight(ahead[1:]))))

    assert (lost, last) == (frozenset(), frozenset())
    assert left_of(lanes)[3] > RENEW_BELOW_SECONDS
    assert [seqs(first)[0], seqs(ahead)] == [stuck.seq, seqs(others)[:2]]
    assert seqs(rows) == seqs(others)[2:]
