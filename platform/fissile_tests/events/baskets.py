"""Baskets whose events stand in shoplet's outbox, and a look at those rows."""

from __future__ import annotations

from django.apps import apps

from fissile.data.unit_of_work import unit_of_work
from fissile.messages import decode_envelope, uuid7
from fissile_tests.shoplet.events import BasketEmptiedV1, BasketFilledV1


def fill(changes=1):
    """Record `changes` events about one new basket, each in its own unit of work; return its id."""
    basket = apps.get_model("shoplet", "Basket")(id=uuid7())
    for number in range(changes):
        event = BasketFilledV1 if number % 2 == 0 else BasketEmptiedV1
        with unit_of_work("shoplet") as work:
            work.record(basket, event(basket_id=basket.id))
    return basket.id


def outbox():
    """Return shoplet's outbox rows."""
    return apps.get_model("shoplet", "ShopletOutbox").objects.using("shoplet")


def lane():
    """Return shoplet's lane rows."""
    return apps.get_model("shoplet", "ShopletLane").objects.using("shoplet")


def envelopes(deliveries):
    """Decode what a consumer received."""
    return [decode_envelope(one.body, one.content_type) for one in deliveries]
