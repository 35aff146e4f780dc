"""Shoplet and depot saying things to each other alone."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from fissile.data.clock import database_now
from fissile.data.unit_of_work import unit_of_work
from fissile.testing.ears import replied, sent
from fissile_tests.shoplet.wishes import ParcelWeighedV1, WeighParcelV1

RECEIVER = "shoplet.from-depot"


def in_seconds(seconds):
    """Return a moment by the clock of shoplet's database."""
    return database_now("shoplet") + timedelta(seconds=seconds)


def command_of_depot(command):
    """Return a command of depot to shoplet, as it comes from the bus."""
    return sent(command, source="depot")


def reply_of_depot(request_id):
    """Return depot's reply to a request of shoplet's, as it comes from the bus."""
    return replied(ParcelWeighedV1(grams=500), request_id, source="depot")


def ask_for_weight(seconds=60):
    """Have shoplet ask depot for a parcel's weight; return the request's message id."""
    with unit_of_work("shoplet") as work:
        return work.send(WeighParcelV1(parcel_id=uuid4(), answer_by=in_seconds(seconds)))
