"""The operators' door of orders: actions go through the use case, row by row."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.messages import get_messages
from django.test import Client

from apps.orders.models import Order, OrdersOutbox
from apps.orders.tests.factories import a_placed_order

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
    reasons = OrdersOutbox.objects.filter(version=2).values_list("payload__reason", flat=True)
    assert list(reasons) == ["by operator olga: quarry closed"] * 2


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
        f"order {stubborn.id}: The order has gone too far to be cancelled.",
    ]
    assert list(OrdersOutbox.objects.filter(version=2).values_list("aggregate", flat=True)) == [f"order/{willing.id}"]


def test_orders_that_are_cancelled_already_are_left_alone(operator):
    order = a_placed_order()
    cancel(operator, order, reason="quarry closed")

    answer = cancel(operator, order, reason="once more")

    assert OrdersOutbox.objects.filter(version__gt=2).count() == 0
    assert told(answer)[-1:] == ["None of the selected orders is open; nothing to cancel."]


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
