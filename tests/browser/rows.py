"""What there is to see at the console, made as the shop makes it: by a use case, and by the inbox with its attempts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from fissile.testing.ears import Ear, told
from fissile_tests.shoplet import projections, usecases
from fissile_tests.shoplet.events import ParcelPackedV1, ParcelSentV1
from fissile_tests.shoplet.models import Heard, ShopletInbox, ShopletOutbox

EAR = "shoplet.depot"
CAUSE = "OSError: the scale is broken"


def an_event() -> ShopletOutbox:
    """Fill a basket; return the event of it, as it waits in the outbox."""
    basket = usecases.fill_basket(things=1)
    return ShopletOutbox.objects.get(aggregate=f"basket/{basket.id}")


@contextmanager
def broken_scale() -> Iterator[None]:
    """Let the handler fail while the block runs, as a bug does before it is mended."""

    def fail(message: object, note: str) -> None:
        raise OSError("the scale is broken")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(projections, "hear", fail)
        yield


def dead_letters(count: int) -> list[ShopletInbox]:
    """Return so many dead letters of one cause: real messages, each with all its attempts; one more waits behind."""
    parcels = [uuid4() for _ in range(count)]
    with broken_scale(), Ear(EAR) as ear:
        ear.hear(*(told(ParcelPackedV1(parcel_id=parcel, note="packed")) for parcel in parcels))
        ear.retry_until_parked()
        ear.hear(told(ParcelSentV1(parcel_id=parcels[0], note="sent"), 2))
    return list(ShopletInbox.objects.filter(state="parked").order_by("id"))


def work_off() -> None:
    """Let the consumer do what is due, as its worker would."""
    with Ear(EAR) as ear:
        while ear.retry():
            pass


def arrive(count: int = 1) -> None:
    """Let so many parcels arrive at the consumer."""
    with Ear(EAR) as ear:
        # As a worker does; that is also when it notices that it is paused.
        ear.sweep()
        ear.hear(*(told(ParcelPackedV1(parcel_id=uuid4(), note="packed")) for _ in range(count)))


def heard() -> int:
    """Return how many messages took effect."""
    return Heard.objects.count()
