"""Fifty racing requests with one key, on real commits: one order, one event, one answer."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connections

from apps.orders.models import Order, OrdersIdempotencyKey, OrdersOutbox
from apps.orders.tests.factories import a_known_buyer, a_placed_order, browser

RACERS = 50

pytestmark = pytest.mark.django_db(databases=["orders"], transaction=True)


def race(ask):
    """Let RACERS threads ask at once; each closes the connections that it opened.

    So many connections at once can be late on a busy machine: told that nothing happened, one asks again.
    """
    start = Barrier(RACERS)

    def run(_):
        start.wait(timeout=30)
        try:
            answer = ask()
            return ask() if answer.status_code == 503 else answer
        finally:
            connections.close_all()

    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(run, range(RACERS)))


def test_fifty_racing_requests_with_one_key_make_one_order():
    buyer_id = a_known_buyer()
    body = json.dumps({"lines": [{"sku": "slate-tile", "quantity": 1}]})

    def place():
        return browser(buyer_id).post(
            "/api/v1/orders", body, content_type="application/json", headers={"idempotency-key": "k-1"}
        )

    raced = race(place)
    again = [place() for answer in raced if answer.status_code == 409]

    outcomes = [answer for answer in [*raced, *again] if answer.status_code != 409]
    assert {answer.status_code for answer in outcomes} == {201}
    assert len({answer.content for answer in outcomes}) == 1
    assert all(answer.json()["code"] == "idempotency_key_in_use" for answer in raced if answer.status_code == 409)
    assert all(answer["retry-after"] for answer in raced if answer.status_code == 409)
    assert Order.objects.count() == OrdersOutbox.objects.count() == OrdersIdempotencyKey.objects.count() == 1


def test_fifty_racing_cancellations_tell_the_neighbours_once():
    order = a_placed_order()

    answers = race(lambda: browser(order.buyer_id).post(f"/api/v1/orders/{order.id}/cancel"))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert list(OrdersOutbox.objects.order_by("version").values_list("version", flat=True)) == [1, 2]
