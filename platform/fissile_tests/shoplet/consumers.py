"""The event door of shoplet: depot's parcels, its wishes and its replies. A parcel's note may ask for trouble."""

import os
import signal
from contextlib import suppress
from threading import Event

from fissile.events.consumers import consumes
from fissile.events.receivers import takes, takes_reply

from . import projections, queries, usecases
from .events import ParcelPackedV1, ParcelSentV1
from .wishes import BasketsCountedV1, CountBasketsV1, FillBasketV1, WeighParcelV1


@consumes(ParcelPackedV1, into="shoplet")
def note_packed(event, message):
    """Write down that a parcel was packed."""
    _write_down(event, message)


@consumes(ParcelSentV1, into="shoplet")
def note_sent(event, message):
    """Write down that a parcel was sent."""
    _write_down(event, message)


def _write_down(event, message):
    projections.hear(message, event.note)
    if event.note.startswith("fill"):
        usecases.fill_basket(things=1)
    if event.note == "fill, then be refused":
        with suppress(usecases.BasketTooHeavy):
            usecases.fill_basket(things=usecases.MOST_THINGS + 1)
    if event.note == "fill, then raise":
        raise ValueError("this parcel is broken")
    # After the effect, so that each trouble has one to undo.
    if event.note == "raise":
        raise ValueError("this parcel is broken")
    if event.note == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if event.note == "hang":
        Event().wait()


@takes(FillBasketV1)
def fill(command, message):
    """Fill a basket because depot wishes it, and write down that it was done."""
    usecases.fill_basket(things=command.things)
    projections.hear(message, "filled")


@takes(CountBasketsV1)
def count(request, message):
    """Say how many baskets there are; or nothing, where the contract promises an answer."""
    projections.hear(message, "counted")
    return None if request.in_vain else BasketsCountedV1(baskets=queries.count_baskets())


@takes_reply(WeighParcelV1, into="shoplet")
def note_weight(reply, message):
    """Write down what depot's scales say."""
    projections.hear(message, f"{reply.grams} g")
