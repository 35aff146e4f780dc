"""crash_at: at each named point the work of one thread ends as by kill -9, and nothing is lost or done twice."""

from __future__ import annotations

from contextlib import suppress

import pytest
from django.apps import apps
from django.db import connections

from fissile.crash_points import POINTS
from fissile.data import commands
from fissile.data.commands import Answer, Claim
from fissile.testing.crashes import NoSuchPoint, crash_at
from fissile.testing.delivery import drain
from fissile.testing.published import assert_published
from fissile_tests.events.baskets import fill
from fissile_tests.events.parcels import heard
from fissile_tests.shoplet import projections
from fissile_tests.shoplet.events import BasketEmptiedV1, BasketFilledV1

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)

CLAIM = Claim(principal="rosa", method="POST", route="/baskets", key="k-1", fingerprint="f" * 64)
BEFORE_THE_COMMIT = ["outbox.written", "domain.written", "idem.inserted", "unit.before_commit"]
DELIVERY = [point for point in POINTS if point.startswith(("relay.", "consumer."))]


def write_down(event, message):
    projections.hear(message, "")


def fill_by_command():
    """Fill a basket as a request with an idempotency key does; return the answer."""

    def decide(work, gathered):
        basket = apps.get_model("shoplet", "Basket")()
        work.record(basket, BasketFilledV1(basket_id=basket.id))
        return basket

    return commands.run(
        "shoplet",
        claim=CLAIM,
        gather=lambda: None,
        decide=decide,
        render=lambda basket: Answer(status=201, body={"id": str(basket.id)}),
    )


@pytest.mark.parametrize("point", BEFORE_THE_COMMIT)
def test_a_request_that_dies_before_its_commit_leaves_nothing_and_can_be_sent_again(point):
    with crash_at(point):
        fill_by_command()

    assert_published(BasketFilledV1, times=0)
    assert not fill_by_command().replayed
    assert_published(BasketFilledV1)


def test_a_request_that_dies_after_its_commit_is_answered_from_its_key():
    with crash_at("unit.after_commit"):
        fill_by_command()

    assert fill_by_command().replayed
    assert_published(BasketFilledV1)


@pytest.mark.parametrize("point", DELIVERY)
def test_events_of_a_relay_or_consumer_that_dies_have_their_effect_once_after_all(hearing, point):
    hearing({BasketFilledV1: write_down, BasketEmptiedV1: write_down})
    basket = fill(3)

    with crash_at(point):
        drain()
    drain()

    assert heard() == [(f"basket/{basket}", version) for version in (1, 2, 3)]


def test_every_point_is_tried_here():
    assert sorted([*BEFORE_THE_COMMIT, "unit.after_commit", *DELIVERY]) == sorted(POINTS)


def test_what_a_handler_does_outside_its_database_is_done_twice_when_its_process_dies(hearing):
    letters = []
    hearing({BasketFilledV1: lambda event, message: letters.append(event.basket_id)})
    basket = fill()

    with crash_at("consumer.handled_uncommitted"):
        drain()
    drain()

    assert letters == [basket, basket]


def test_the_second_pass_can_be_chosen():
    with crash_at("unit.after_commit", passes=2):
        fill(3)

    assert_published(BasketFilledV1, times=1)
    assert_published(BasketEmptiedV1, times=1)


def test_the_connection_is_lost_too():
    fill()

    with crash_at("unit.before_commit"):
        fill()

    assert connections["shoplet"].connection is None


def test_a_point_that_was_not_passed_turns_red():
    not_passed = pytest.raises(AssertionError, match=r"Nothing crashed: relay.claimed was passed 0 times, not 1")

    with not_passed, crash_at("relay.claimed"):
        fill()


def test_code_that_survives_its_own_death_turns_red():
    def fill_whatever_happens():
        with suppress(BaseException):
            fill()

    with pytest.raises(AssertionError, match="something caught the crash"), crash_at("domain.written"):
        fill_whatever_happens()


def test_a_point_that_does_not_exist_is_named_with_those_that_do():
    unknown = pytest.raises(NoSuchPoint, match=r"relay\.dreaming is none of .*relay\.claimed")

    with unknown, crash_at("relay.dreaming"):
        fill()


def test_an_error_of_the_block_itself_stays_what_it_is():
    with pytest.raises(ValueError, match="the test's own"), crash_at("relay.claimed"):
        raise ValueError("the test's own")


def test_afterwards_nobody_crashes_any_more():
    with crash_at("unit.before_commit"):
        fill()

    fill()

    assert_published(BasketFilledV1)
