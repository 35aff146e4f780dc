"""Twice and out of order: good consumers pass, and consumers that count on once or on an order turn red."""

from __future__ import annotations

import pytest

from fissile.testing.delivery import Unsettled, deliver_out_of_order, deliver_twice, drain
from fissile_tests.events.baskets import fill, outbox
from fissile_tests.events.parcels import heard, rows_of
from fissile_tests.shoplet import projections, usecases
from fissile_tests.shoplet.events import BasketEmptiedV1, BasketFilledV1

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)

SEEDS = range(4)


def write_down(event, message):
    projections.hear(message, "")


# -- twice


def test_an_effect_inside_the_database_happens_once_however_often_its_message_comes(hearing):
    hearing({BasketFilledV1: write_down, BasketEmptiedV1: write_down})
    basket = fill(3)

    deliver_twice()

    assert heard() == [(f"basket/{basket}", version) for version in (1, 2, 3)]
    assert set(rows_of("ShopletInbox").values_list("state", flat=True)) == {"applied"}


def test_an_event_that_a_handler_records_is_recorded_once(hearing):
    hearing({BasketFilledV1: lambda event, message: usecases.fill_basket(things=1) if event.things == 2 else None})
    usecases.fill_basket(things=2)

    deliver_twice()

    assert list(outbox().order_by("seq").values_list("payload__things", flat=True)) == [2, 1]


def test_a_letter_that_a_handler_sends_itself_is_sent_twice(hearing):
    letters = []
    hearing({BasketFilledV1: lambda event, message: letters.append(event.basket_id)})
    basket = fill()

    deliver_twice()

    assert letters == [basket, basket]


def test_the_same_letter_is_sent_once_by_a_plain_drain_so_only_deliver_twice_shows_it(hearing):
    letters = []
    hearing({BasketFilledV1: lambda event, message: letters.append(event.basket_id)})
    basket = fill()

    drain()

    assert letters == [basket]


def test_a_handler_that_keeps_its_own_memory_outside_the_database_loses_the_effect(hearing):
    seen = set()

    def once(event, message):
        if message.id not in seen:
            seen.add(message.id)
            projections.hear(message, "")

    hearing({BasketFilledV1: once})
    fill()

    deliver_twice()

    assert heard() == []


def test_a_handler_that_cannot_run_again_is_named(hearing):
    seen = set()

    def refuse_the_second(event, message):
        if message.id in seen:
            raise ValueError("I know this one")
        seen.add(message.id)

    hearing({BasketFilledV1: refuse_the_second})
    fill()

    with pytest.raises(Unsettled, match="is parked: ValueError: I know this one"):
        deliver_twice()


def test_of_one_event_only_its_handlers_run_again(hearing):
    ran = []
    hearing({event: lambda event, message: ran.append(event.name) for event in (BasketFilledV1, BasketEmptiedV1)})
    fill(2)

    deliver_twice(BasketEmptiedV1)

    assert ran == [BasketFilledV1.name, BasketEmptiedV1.name, BasketEmptiedV1.name]


# -- out of order


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_order_they_come_in_each_basket_is_heard_in_its_own(hearing, seed):
    hearing({BasketFilledV1: write_down, BasketEmptiedV1: write_down})
    baskets = [fill(4) for _ in range(3)]

    deliver_out_of_order(seed)

    for basket in baskets:
        assert [version for name, version in heard() if name == f"basket/{basket}"] == [1, 2, 3, 4]


@pytest.mark.parametrize("seed", SEEDS)
def test_two_messages_of_one_basket_never_come_in_their_order(hearing, seed):
    hearing({BasketFilledV1: write_down, BasketEmptiedV1: write_down})
    fill(2)

    deliver_out_of_order(seed)

    received = list(rows_of("ShopletInbox").order_by("id").values_list("version", flat=True))
    assert received == [2, 1]


def test_the_same_seed_gives_the_same_order(hearing):
    came = []
    hearing({BasketFilledV1: lambda event, message: came.append(event.things)})
    orders = []
    for _ in range(2):
        for things in range(1, 9):
            usecases.fill_basket(things=things)
        deliver_out_of_order(3)
        orders.append(came.copy())
        came.clear()

    assert orders[0] == orders[1] != sorted(orders[0])


def test_a_consumer_that_counts_on_an_order_between_baskets_is_found_out(hearing):
    highest = []

    def note_the_latest(event, message):
        highest[:] = [event.things]

    hearing({BasketFilledV1: note_the_latest})
    found = set()
    for seed in SEEDS:
        for things in range(1, 6):
            usecases.fill_basket(things=things)
        deliver_out_of_order(seed)
        found.update(highest)

    assert found != {5}
