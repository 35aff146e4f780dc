"""The rules of an order, without a database."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from apps.orders.contracts.errors import CreditLimitExceeded, InvalidLines, NotCancellable, UnknownProduct
from apps.orders.domain import Money, Status, Wish, order_from, status_after_cancelling, status_after_payment
from apps.orders.tests.factories import PLACED_AT, a_buyer, euros, prices, wishes


def order_of(*, buyer=None, price_list=None, lines=None, **quantities):
    return order_from(
        lines if lines is not None else wishes(**quantities),
        price_list or prices(),
        buyer or a_buyer(),
        order_id=uuid4(),
        placed_at=PLACED_AT,
    )


def test_an_order_is_worth_its_lines_at_the_prices_of_the_list():
    order = order_of(chisel=3, slate=2)

    assert [line.total for line in order.lines] == [euros(7_350), euros(2_500)]
    assert order.total == euros(9_850)
    assert order.status == Status.PLACED
    assert order.placed_at == PLACED_AT


def test_lines_keep_the_order_in_which_they_were_wished_for():
    assert [line.sku for line in order_of(slate=1, chisel=1).lines] == ["slate", "chisel"]


def test_products_that_are_not_on_the_list_are_refused_all_at_once():
    with pytest.raises(UnknownProduct) as refused:
        order_of(slate=1, lava=1, amber=1)

    assert refused.value.facts["sku"] == ["amber", "lava"]


@pytest.mark.parametrize("quantity", [0, -1, 1_001, 10**30])
def test_a_quantity_out_of_range_is_refused(quantity):
    with pytest.raises(InvalidLines):
        order_of(slate=quantity)


@pytest.mark.parametrize("quantity", [1, 1_000])
def test_the_smallest_and_the_largest_quantity_are_accepted(quantity):
    assert order_of(buyer=a_buyer(limit_minor=10**9), slate=quantity).lines[0].quantity == quantity


def test_an_order_without_lines_is_refused():
    with pytest.raises(InvalidLines):
        order_of(lines=[])


def test_fifty_lines_are_accepted_and_one_more_is_refused():
    price_list = prices(**{f"stone-{n}": 1 for n in range(51)})
    lines = [Wish(sku=sku, quantity=1) for sku in price_list]

    assert len(order_of(price_list=price_list, lines=lines[:50]).lines) == 50
    with pytest.raises(InvalidLines):
        order_of(price_list=price_list, lines=lines)


def test_one_product_on_two_lines_is_refused():
    with pytest.raises(InvalidLines, match="one line"):
        order_of(lines=[Wish(sku="slate", quantity=1), Wish(sku="slate", quantity=2)])


def test_an_order_may_use_up_the_credit_limit_and_not_a_cent_more():
    assert order_of(buyer=a_buyer(limit_minor=1_250), slate=1).total == euros(1_250)
    with pytest.raises(CreditLimitExceeded) as refused:
        order_of(buyer=a_buyer(limit_minor=1_249), slate=1)

    assert refused.value.facts == {"total_minor": 1_250, "credit_limit_minor": 1_249, "currency": "EUR"}


def test_a_credit_limit_in_another_currency_is_no_credit():
    buyer = a_buyer(credit_limit=Money(amount_minor=10**9, currency="CHF"))

    with pytest.raises(CreditLimitExceeded):
        order_of(buyer=buyer, slate=1)


def test_prices_in_two_currencies_do_not_add_up():
    price_list = prices()
    price_list["chisel"] = replace(price_list["chisel"], price=Money(amount_minor=1, currency="CHF"))

    with pytest.raises(InvalidLines, match="currency"):
        order_of(price_list=price_list, slate=1, chisel=1)


@pytest.mark.parametrize("status", ["placed", "confirmed"])
def test_an_order_can_be_cancelled_before_and_after_it_is_confirmed(status):
    assert status_after_cancelling(status) == Status.CANCELLED


@pytest.mark.parametrize("status", ["rejected", "cancelled", "shipped", ""])
def test_in_any_other_status_it_cannot_be_cancelled(status):
    with pytest.raises(NotCancellable):
        status_after_cancelling(status)


def test_a_placed_order_is_confirmed_or_rejected_by_its_payment():
    assert status_after_payment("placed", is_authorised=True) == Status.CONFIRMED
    assert status_after_payment("placed", is_authorised=False) == Status.REJECTED


@pytest.mark.parametrize("is_authorised", [True, False])
@pytest.mark.parametrize("status", ["confirmed", "rejected", "cancelled", "shipped", ""])
def test_in_any_other_status_its_payment_comes_too_late(status, is_authorised):
    assert status_after_payment(status, is_authorised=is_authorised) is None
