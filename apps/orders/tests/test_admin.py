"""The operators' door of orders: actions go through the use case, row by row."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.contrib.messages import get_messages
from django.test import Client

from apps.orders import usecases
from apps.orders.contracts.events import OrderCancelledV1
from apps.orders.models import Order, OrdersOutbox
from apps.orders.tests.factories import a_placed_order
from fissile.testing.published import assert_published

pytestmark = pytest.mark.django_db(databases=["orders", "operations"])

PAGE = "/admin/orders/order/"


@pytest.fixture
def operator():
    user = get_user_model().objects.create_superuser("olga", password="a-wall-of-granite")
    client = Client()
    client.force_login(user)
    return client


def cancel(client, *orders, reason=None):
    chosen = {"action": "cancel_selected", "_selected_action": [str(order.id) for order in orders]}
    return client.post(PAGE, chosen | ({"reason": reason} if reason else {}))


def told(answer):
    return [str(message) for message in get_messages(answer.wsgi_request)]


def test_nothing_happens_before_a_reason_is_given(operator):
    order = a_placed_order()

    answer = cancel(operator, order)

    assert answer.status_code == 200
    assert Order.objects.get(id=order.id).status == "placed"


def test_selected_orders_are_cancelled_with_their_events(operator):
    orders = [a_placed_order(), a_placed_order()]

    answer = cancel(operator, *orders, reason="quarry closed")

    assert told(answer) == ["Cancelled: 2."]
    assert {order.status for order in Order.objects.all()} == {"cancelled"}
    assert_published(OrderCancelledV1, times=2, reason="by operator olga: quarry closed")


def test_a_refusal_is_shown_for_its_row_and_stops_no_other(operator, monkeypatch):
    stubborn, willing = a_placed_order(), a_placed_order()
    load = Order.from_db.__func__

    def with_newer_status(cls, *args, **more):
        row = load(cls, *args, **more)
        if row.id == stubborn.id:
            row.status = "shipped"
        return row

    monkeypatch.setattr(Order, "from_db", classmethod(with_newer_status))

    answer = cancel(operator, stubborn, willing, reason="quarry closed")

    assert sorted(told(answer)) == [
        "Cancelled: 1.",
        f"order {stubborn.id}: The order cannot be cancelled any more: it was rejected, or has gone too far.",
    ]
    (event,) = assert_published(OrderCancelledV1)
    assert event.order_id == willing.id


def test_orders_that_are_cancelled_already_are_left_alone(operator):
    order = a_placed_order()
    cancel(operator, order, reason="quarry closed")

    answer = cancel(operator, order, reason="once more")

    assert_published(OrderCancelledV1)
    assert told(answer)[-1:] == ["None of the selected orders is open; nothing to cancel."]


def test_rejected_orders_are_left_alone_and_confirmed_ones_are_cancelled(operator):
    rejected, confirmed = a_placed_order(), a_placed_order()
    usecases.reject_order(rejected.id, payment_id=uuid4(), reason="card_refused")
    usecases.confirm_order(confirmed.id, payment_id=uuid4())

    answer = cancel(operator, rejected, confirmed, reason="quarry closed")

    assert told(answer) == ["Cancelled: 1."]
    assert dict(Order.objects.values_list("id", "status")) == {rejected.id: "rejected", confirmed.id: "cancelled"}


def test_an_order_is_found_by_its_payment(operator):
    order, payment_id = a_placed_order(), uuid4()
    a_placed_order()
    usecases.confirm_order(order.id, payment_id=payment_id)

    page = operator.get(PAGE, {"q": str(payment_id)}).content.decode()

    assert f"{PAGE}{order.id}/change/" in page
    assert "1 result" in page


@pytest.mark.parametrize(
    "page",
    ["order", "product", "buyercopy", "ordersoutbox", "ordersinbox", "ordersposition", "orderslane",
     "ordersidempotencykey"],
)  # fmt: skip
def test_every_page_opens_and_offers_no_change(operator, page):
    a_placed_order()

    assert operator.get(f"/admin/orders/{page}/").status_code == 200
    assert operator.get(f"/admin/orders/{page}/add/").status_code == 403


def test_an_order_is_shown_with_its_lines(operator):
    order = a_placed_order(slate_tile=2, chisel=1)

    page = operator.get(f"{PAGE}{order.id}/change/").content.decode()

    assert "slate-tile" in page
    assert "chisel" in page


def test_nobody_else_comes_in():
    assert Client().get(PAGE).status_code == 302


@pytest.mark.parametrize("spelling", [str, lambda uuid: str(uuid).upper()])
def test_an_order_is_found_by_its_id_and_by_its_buyers(operator, spelling):
    order = a_placed_order()
    a_placed_order()

    for known in (order.id, order.buyer_id):
        page = operator.get(PAGE, {"q": spelling(known)}).content.decode()
        assert f"{PAGE}{order.id}/change/" in page
        assert "1 result" in page


@pytest.mark.parametrize("nonsense", ["abc", "'", "%", "\0", "é" * 300])
def test_a_search_for_nonsense_is_no_server_error(operator, nonsense):
    assert operator.get(PAGE, {"q": nonsense}).status_code < 400


def test_payments_is_asked_about_the_selected_orders_that_wait_and_no_other(operator):
    waiting, cancelled = a_placed_order(), a_placed_order()
    usecases.cancel_order(cancelled.id, buyer_id=cancelled.buyer_id, reason="by the buyer")
    chosen = {"action": "ask_for_payment", "_selected_action": [str(waiting.id), str(cancelled.id)]}

    answer = operator.post(PAGE, chosen)

    assert told(answer) == ["Asked about: 1. Look again in a moment."]
    asked = OrdersOutbox.objects.filter(type="payments.report_payment.v1")
    assert [row.payload["order_id"] for row in asked] == [str(waiting.id)]


def test_payments_is_not_asked_about_orders_that_do_not_wait(operator):
    order = a_placed_order()
    usecases.cancel_order(order.id, buyer_id=order.buyer_id, reason="by the buyer")

    answer = operator.post(PAGE, {"action": "ask_for_payment", "_selected_action": [str(order.id)]})

    assert told(answer) == ["None of the selected orders waits for its payment."]
