"""The unit of work: state and events commit together on one alias, and no other way exists."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

import pytest
from django.apps import apps
from django.db import Error, OperationalError, connections, transaction

from fissile.data.guard import writing
from fissile.data.models import UnpublishedChange
from fissile.data.unit_of_work import OutsideUnitOfWork, after_commit, in_open_transaction, unit_of_work
from fissile.errors import UncertainError, UnreachableError
from fissile_tests.shoplet.events import BasketEmptiedV1, BasketEvent, BasketFilledV1

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)


@dataclass(frozen=True, kw_only=True)
class BasketBurntV1(BasketEvent):
    """A fact that belongs to another context."""

    name: ClassVar[str] = "furnace.basket_burnt.v1"


def a_basket(things=0):
    return apps.get_model("shoplet", "Basket")(things=things)


def baskets():
    return apps.get_model("shoplet", "Basket").objects.using("shoplet")


def stream():
    rows = apps.get_model("shoplet", "ShopletOutbox").objects.using("shoplet").order_by("seq")
    return [(row.aggregate, row.version, row.type) for row in rows]


def filled(basket):
    return BasketFilledV1(basket_id=basket.id)


def test_a_change_and_its_event_commit_together():
    basket = a_basket(3)

    with unit_of_work("shoplet") as work:
        work.record(basket, filled(basket))
        basket.things = 0
        work.record(basket, BasketEmptiedV1(basket_id=basket.id))

    assert baskets().get().version == 2
    assert stream() == [
        (f"basket/{basket.id}", 1, "shoplet.basket_filled.v1"),
        (f"basket/{basket.id}", 2, "shoplet.basket_emptied.v1"),
    ]


def test_a_rolled_back_change_leaves_no_event_and_uses_up_no_version():
    basket = a_basket()

    with suppress(ZeroDivisionError), unit_of_work("shoplet") as work:
        work.record(basket, filled(basket))
        1 / 0  # noqa: B018

    assert stream() == []
    assert not baskets().exists()


def test_nothing_is_recorded_after_the_unit_of_work_has_ended():
    basket = a_basket()
    with unit_of_work("shoplet") as work:
        pass

    with pytest.raises(OutsideUnitOfWork, match="has ended"):
        work.record(basket, filled(basket))


def test_an_event_of_another_context_is_refused():
    basket = a_basket()

    with pytest.raises(OutsideUnitOfWork, match=r"furnace\.basket_burnt"), unit_of_work("shoplet") as work:
        work.record(basket, BasketBurntV1(basket_id=basket.id))


def test_an_event_about_another_row_is_refused():
    with pytest.raises(OutsideUnitOfWork, match="not about row"), unit_of_work("shoplet") as work:
        work.record(a_basket(), filled(a_basket()))


def test_a_unit_of_work_does_not_open_inside_another():
    with pytest.raises(OutsideUnitOfWork, match="is open"), unit_of_work("shoplet"), unit_of_work("shoplet"):
        pass


@pytest.mark.parametrize(
    "way_round",
    [
        lambda basket: basket.save(),
        lambda basket: basket.delete(),
        lambda basket: baskets().update(things=9),
        lambda basket: baskets().delete(),
        lambda basket: baskets().bulk_create([a_basket()]),
        lambda basket: baskets().bulk_update([basket], ["things"]),
    ],
)
def test_an_aggregate_changes_in_no_other_way(way_round):
    basket = a_basket()
    with unit_of_work("shoplet") as work:
        work.record(basket, filled(basket))

    with pytest.raises(UnpublishedChange):
        way_round(basket)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE shoplet_basket SET things = 9",
        "UPDATE shoplet_basket SET things = 9, version = version + 1",
        "INSERT INTO shoplet_basket (id, version, things) SELECT '7f000001000070008000000000000000', 1, 1",
    ],
)
def test_raw_sql_cannot_change_an_aggregate_without_its_event(statement):
    basket = a_basket()
    with unit_of_work("shoplet") as work:
        work.record(basket, filled(basket))

    with (
        pytest.raises(Error, match="without its event"),
        writing("shoplet"),
        connections["shoplet"].cursor() as cursor,
    ):
        cursor.execute(statement)

    assert baskets().get().things == 0


def test_the_relay_is_woken_once_after_the_commit_and_never_for_a_rollback(monkeypatch):
    woken = []
    monkeypatch.setattr("fissile.data.unit_of_work.after_commit", [woken.append])
    basket = a_basket()

    with unit_of_work("shoplet") as work:
        work.record(basket, filled(basket))
        work.record(basket, filled(basket))
        assert woken == []
    with suppress(ZeroDivisionError), unit_of_work("shoplet") as work:
        work.record(basket, filled(basket))
        1 / 0  # noqa: B018

    assert woken == ["shoplet"]


def test_a_waker_that_raises_does_not_turn_a_commit_into_an_error(monkeypatch):
    def broken(alias):
        raise RuntimeError(alias)

    monkeypatch.setattr("fissile.data.unit_of_work.after_commit", [broken])
    basket = a_basket()

    with unit_of_work("shoplet") as work:
        work.record(basket, filled(basket))

    assert baskets().count() == 1
    assert after_commit


def test_a_database_that_goes_away_before_the_commit_is_unreachable():
    with pytest.raises(UnreachableError, match="nothing happened"), unit_of_work("shoplet"):
        raise OperationalError("server closed the connection unexpectedly")


def test_a_connection_lost_in_commit_is_uncertain(monkeypatch):
    def lost():
        raise OperationalError("server closed the connection unexpectedly")

    with pytest.raises(UncertainError, match="same Idempotency-Key"), unit_of_work("shoplet"):
        monkeypatch.setattr(connections["shoplet"], "commit", lost)


def test_an_open_transaction_is_noticed():
    assert in_open_transaction() is None
    with transaction.atomic(using="shoplet"):
        assert in_open_transaction() == "shoplet"
