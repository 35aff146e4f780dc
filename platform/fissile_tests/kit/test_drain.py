"""drain(): everything pending is relayed and applied, and what is not is named with its reason."""

from __future__ import annotations

import pytest
from django.db import transaction

from fissile.data.guard import writing
from fissile.events.inbox.steering import pause as pause_consumer
from fissile.events.lanes import pause as pause_lanes
from fissile.testing.delivery import NothingCommits, Unsettled, drain
from fissile_tests.events.baskets import fill, lane, outbox
from fissile_tests.events.parcels import heard, rows_of
from fissile_tests.shoplet import projections, usecases
from fissile_tests.shoplet.events import BasketEmptiedV1, BasketFilledV1

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)


def write_down(event, message):
    projections.hear(message, "")


def test_every_event_is_sent_and_applied_in_the_order_of_its_basket(hearing):
    hearing({BasketFilledV1: write_down, BasketEmptiedV1: write_down})
    baskets = [fill(3) for _ in range(4)]

    drain()

    assert heard() == [(f"basket/{basket}", version) for basket in baskets for version in (1, 2, 3)]
    assert not outbox().filter(sent_at=None).exists()
    assert set(rows_of("ShopletInbox").values_list("state", flat=True)) == {"applied"}


def test_an_event_that_a_handler_records_is_on_its_way_in_the_same_drain(hearing):
    # A handler's own event, as often as a chain is long: a basket of n things leads to one of n - 1.
    hearing(
        {
            BasketFilledV1: lambda event, message: (
                usecases.fill_basket(things=event.things - 1) if event.things > 1 else None
            )
        }
    )
    usecases.fill_basket(things=4)

    drain()

    assert list(outbox().order_by("seq").values_list("payload__things", flat=True)) == [4, 3, 2, 1]
    assert not outbox().filter(sent_at=None).exists()


def test_a_second_drain_has_nothing_to_do(hearing):
    hearing({BasketFilledV1: write_down})
    fill()
    drain()

    drain()

    assert len(heard()) == 1


def test_events_that_nobody_here_hears_leave_the_outbox_too():
    fill(2)

    drain()

    assert not outbox().filter(sent_at=None).exists()


def test_a_lane_of_a_relay_that_died_is_taken_over(hearing):
    hearing({BasketFilledV1: write_down})
    basket = fill()
    drain()
    with writing("shoplet"):
        lane().update(owner="dead", lease_until="9999-01-01T00:00:00Z")
    other = fill()

    drain()

    assert heard() == [(f"basket/{basket}", 1), (f"basket/{other}", 1)]


def test_a_handler_that_fails_at_first_is_retried_at_once(hearing):
    failures = iter([True, True, False])

    def fail_twice(event, message):
        if next(failures):
            raise ValueError("not yet")
        projections.hear(message, "")

    hearing({BasketFilledV1: fail_twice})
    fill()

    drain()

    assert len(heard()) == 1


def test_a_handler_that_always_fails_turns_the_test_red_with_event_and_reason(hearing):
    def fail(event, message):
        raise ValueError("this basket is broken")

    hearing({BasketFilledV1: fail})
    basket = fill(2)

    with pytest.raises(Unsettled, match="2 events would not settle") as red:
        drain()

    parked, waiting = red.value.left
    assert f"basket_filled.v1 basket/{basket}@1 is parked: ValueError: this basket is broken" in parked
    assert waiting.endswith(f"basket/{basket}@2 waits: version 1 is not applied")


def test_events_that_go_round_in_a_circle_end_after_so_many_rounds(hearing):
    hearing({BasketFilledV1: lambda event, message: usecases.fill_basket(things=1)})
    fill()

    with pytest.raises(Unsettled, match="After 5 rounds"):
        drain(rounds=5)


def test_an_event_that_no_relay_can_encode_is_named(hearing):
    fill()
    with writing("shoplet"):
        outbox().update(type="t" * 300)

    with pytest.raises(Unsettled, match=r"is parked: .*255 bytes"):
        drain()


@pytest.mark.parametrize("what", ["lanes", "consumer"])
def test_what_an_operator_has_paused_is_named(hearing, what):
    hearing({BasketFilledV1: write_down})
    drain()  # the consumer is known from its first turn on
    if what == "lanes":
        pause_lanes("shoplet", reason="stocktaking", operator="olga")
    else:
        pause_consumer("shoplet.shoplet", reason="stocktaking", operator="olga")
    fill()

    with pytest.raises(Unsettled, match="paused by olga: stocktaking"):
        drain()

    assert heard() == []


@pytest.mark.django_db(databases=["shoplet"])
def test_a_test_whose_transaction_never_commits_is_told_so():
    with pytest.raises(NothingCommits, match=r"shoplet: .*transaction=True"):
        drain()


def test_a_drain_inside_a_transaction_is_refused():
    with transaction.atomic(using="shoplet"), pytest.raises(NothingCommits):
        drain()
