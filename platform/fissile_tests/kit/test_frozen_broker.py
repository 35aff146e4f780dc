"""A frozen broker: writes go on, events wait, and all arrive once it thaws."""

from __future__ import annotations

import pytest

from fissile.testing.broker import frozen_broker
from fissile.testing.delivery import Unsettled, drain
from fissile_tests.events.baskets import fill, outbox
from fissile_tests.events.parcels import heard, rows_of
from fissile_tests.shoplet import projections
from fissile_tests.shoplet.events import BasketFilledV1

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)

both = pytest.mark.parametrize("takes", [False, True], ids=["takes nothing", "confirms nothing"])


@pytest.fixture(autouse=True)
def shoplet_hears_itself(hearing):
    hearing({BasketFilledV1: lambda event, message: projections.hear(message, "")})


@both
def test_writes_succeed_and_their_events_wait(takes):
    with frozen_broker(takes=takes):
        fill()
        with pytest.raises(Unsettled, match=r"waits: the broker takes .* \(frozen_broker\)"):
            drain()

    row = outbox().get()
    assert (row.sent_at, row.attempts, row.parked_at) == (None, 0, None)


@both
def test_all_of_it_has_its_effect_once_when_the_broker_is_back(takes):
    baskets = [fill() for _ in range(3)]
    with frozen_broker(takes=takes), pytest.raises(Unsettled):
        drain()

    drain()

    assert sorted(heard()) == sorted((f"basket/{basket}", 1) for basket in baskets)
    assert not outbox().filter(sent_at=None).exists()


def test_what_the_broker_took_without_a_confirm_is_applied_and_still_waits_to_be_sent():
    basket = fill()

    with frozen_broker(takes=True), pytest.raises(Unsettled):
        drain()

    assert heard() == [(f"basket/{basket}", 1)]
    assert outbox().get().sent_at is None


def test_what_the_broker_never_took_is_not_heard():
    fill()

    with frozen_broker(), pytest.raises(Unsettled):
        drain()

    assert heard() == []
    assert not rows_of("ShopletInbox").exists()
