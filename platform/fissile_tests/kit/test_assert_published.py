"""assert_published: what it lets pass, and what it says when it does not."""

from __future__ import annotations

from uuid import uuid4

import pytest

from fissile.testing.delivery import drain
from fissile.testing.published import assert_published
from fissile_tests.events.baskets import fill
from fissile_tests.shoplet import usecases
from fissile_tests.shoplet.events import BasketEmptiedV1, BasketFilledV1, ParcelPackedV1

pytestmark = pytest.mark.django_db(databases=["shoplet"])


def test_what_was_recorded_is_given_back_as_events_in_order():
    first, second = (usecases.fill_basket(things=things) for things in (2, 3))

    assert assert_published(BasketFilledV1, times=2) == (
        BasketFilledV1(basket_id=first.id, things=2),
        BasketFilledV1(basket_id=second.id, things=3),
    )


def test_fields_choose_among_events():
    usecases.fill_basket(things=2)
    basket = usecases.fill_basket(things=3)

    (found,) = assert_published(BasketFilledV1, things=3)

    assert found.basket_id == basket.id


def test_zero_times_passes_when_there_is_none():
    fill()

    assert assert_published(BasketEmptiedV1, times=0) == ()


def test_a_missing_event_turns_red_with_a_list_of_what_there_is():
    basket = fill()

    with pytest.raises(AssertionError) as red:
        assert_published(BasketEmptiedV1)

    assert str(red.value).splitlines() == [
        "shoplet.basket_emptied.v1 was published 0 times, not 1. Published so far:",
        f"- shoplet.basket_filled.v1 basket/{basket}@1 (waits): {{'basket_id': '{basket}', 'things': 1}}",
    ]


def test_one_too_many_turns_red():
    fill()
    fill()

    with pytest.raises(AssertionError, match="published 2 times, not 1"):
        assert_published(BasketFilledV1)


def test_the_right_event_with_another_value_turns_red_and_shows_both():
    usecases.fill_basket(things=2)

    with pytest.raises(AssertionError, match=r"with things=3 was published 0 times(.|\n)*'things': 2"):
        assert_published(BasketFilledV1, things=3)


def test_a_refused_use_case_has_published_nothing():
    with pytest.raises(usecases.BasketTooHeavy):
        usecases.fill_basket(things=usecases.MOST_THINGS + 1)

    with pytest.raises(AssertionError, match="Nothing was published"):
        assert_published(BasketFilledV1)


@pytest.mark.django_db(databases=["shoplet"], transaction=True)
def test_what_was_sent_counts_as_well_and_is_told_apart():
    fill()
    drain()
    fill()

    assert_published(BasketFilledV1, times=2)
    with pytest.raises(AssertionError, match=r"\(sent\)(.|\n)*\(waits\)"):
        assert_published(BasketFilledV1)


def test_a_field_that_the_event_has_not_is_an_error_and_not_a_miss():
    with pytest.raises(TypeError, match="BasketFilledV1 has no weight; it has basket_id, things"):
        assert_published(BasketFilledV1, weight=3)


def test_an_event_of_a_context_that_is_not_here_is_an_error_and_not_a_miss():
    with pytest.raises(LookupError, match="published by depot, which is not installed here"):
        assert_published(ParcelPackedV1, parcel_id=uuid4())
