"""The inbox's statements where no machine stands before them: positions made twice, and by whose transaction."""

from __future__ import annotations

import threading
from dataclasses import replace
from uuid import uuid4

import pytest
from django.db import connections, transaction

from fissile.data.guard import writing
from fissile.events.inbox.loop import BATCH
from fissile.events.inbox.received import FORKED, received
from fissile.events.inbox.store import WINDOW, InboxStore

from .parcels import EAR, arrival, envelope, inbox
from .waiting import until

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)


def synchronous_commit():
    with connections["shoplet"].cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        return cursor.fetchone()[0]


def test_a_missing_position_is_made_at_0_and_one_that_is_there_is_left_alone():
    store = InboxStore("shoplet", EAR)
    store.ensure(["basket/1", "basket/2"])
    with writing("shoplet"):
        store.positions.filter(aggregate="basket/1").update(applied_version=4)

    store.ensure(["basket/3", "basket/1"])

    assert dict(store.positions.values_list("aggregate", "applied_version")) == {
        "basket/1": 4, "basket/2": 0, "basket/3": 0,
    }  # fmt: skip


@pytest.mark.real
def test_only_a_transaction_of_its_own_is_committed_without_a_flush():
    store = InboxStore("shoplet", EAR)
    usual = synchronous_commit()

    store.ensure(["basket/1"])
    after = synchronous_commit()
    with transaction.atomic(using="shoplet"):
        store.ensure(["basket/2"])
        inside = synchronous_commit()

    assert (after, inside) == (usual, usual)


@pytest.mark.real
@pytest.mark.parametrize("same", [True, False], ids=["the same message", "another history"])
def test_a_row_that_was_uncommitted_when_we_looked_is_a_repetition_or_a_fork_and_never_lost(same):
    """A database restored by its owner may tell another first version, just as the old one arrives elsewhere."""
    parcel = uuid4()
    mine, theirs = (received(arrival(envelope(parcel, 1))) for _ in range(2))
    if same:
        theirs = mine
    InboxStore("shoplet", EAR).ensure([mine.aggregate])

    found = applied_beside(theirs, [], [mine])

    forks = [row.reason for row in inbox().filter(type=FORKED)]
    assert (found.duplicates, len(found.forks)) == ((1, 0) if same else (0, 1))
    assert forks == ([] if same else [f"forked history: {theirs.aggregate}@1 is message {theirs.id} here"])


@pytest.mark.real
def test_an_id_that_another_place_was_about_to_take_is_a_fork_beside_what_is_applied():
    """One id in two places is its producer's fault; two processes that meet it at once must not lose one of them."""
    theirs, other = (received(arrival(envelope(uuid4(), 1))) for _ in range(2))
    mine = replace(received(arrival(envelope(uuid4(), 1))), id=theirs.id)
    InboxStore("shoplet", EAR).ensure([one.aggregate for one in (mine, theirs, other)])

    applied_beside(theirs, [(other, "handled")], [mine])

    assert [row.reason for row in inbox().filter(type=FORKED)] == [
        f"forked history: this id is {theirs.aggregate}@1 here"
    ]
    assert inbox().filter(state="applied").count() == 2


def applied_beside(theirs, outcomes, waiting):
    """Apply in a thread what then waits for a transaction that has applied `theirs`; return what it has found."""
    found = []

    def apply():
        with writing("shoplet"), transaction.atomic(using="shoplet"):
            found.append(InboxStore("shoplet", EAR).apply(outcomes, waiting))
        connections.close_all()

    thread = threading.Thread(target=apply)
    with writing("shoplet"), transaction.atomic(using="shoplet"):
        InboxStore("shoplet", EAR).apply([(theirs, "handled")], [])
        thread.start()
        until(somebody_waits_for_us)
    thread.join(30)
    (one,) = found
    return one


def somebody_waits_for_us():
    with connections["shoplet"].cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))")
        return cursor.fetchone()


def test_a_look_above_a_position_goes_at_least_as_far_as_a_batch_may_reach():
    assert WINDOW >= BATCH
