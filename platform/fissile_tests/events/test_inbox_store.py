"""The inbox's statements where no machine stands before them: positions made twice, and by whose transaction."""

from __future__ import annotations

import pytest
from django.db import connections, transaction

from fissile.data.guard import writing
from fissile.events.inbox.loop import BATCH
from fissile.events.inbox.store import WINDOW, InboxStore

from .parcels import EAR

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


def test_a_look_above_a_position_goes_at_least_as_far_as_a_batch_may_reach():
    assert WINDOW >= BATCH
