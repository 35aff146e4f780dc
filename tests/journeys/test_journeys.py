"""What a person does at the shop, through the gateway, in every cell. HTTP only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from bff_app.management.shop import eventually, expect
from settings.contexts import CONTEXTS

pytestmark = pytest.mark.house


def test_a_placed_order_appears_in_the_dashboard(house):
    rosa = house.shop.sign_up("Rosa")

    order = expect(house.shop.place(rosa, {"slate-tile": 2, "chisel": 1}), 201)

    row = eventually(
        lambda: house.shop.seen_on_dashboard(rosa, order.body["id"]), within_seconds=60, what="order on the dashboard"
    )
    assert row["total"] == order.body["total"]
    assert row["history"][0]["event"] == "orders.order_placed.v1"
    dashboard = expect(house.shop.dashboard(rosa), 200).body
    assert dashboard["profile"]["name"] == "Rosa"
    assert dashboard["missing"] == []
    assert dashboard["totals"]["orders_placed"] == 1


def test_a_placed_order_is_confirmed_and_its_money_is_taken(house):
    rosa = house.shop.sign_up("Rosa")

    order = expect(house.shop.place(rosa, {"slate-tile": 2}), 201).body

    row = eventually(
        lambda: house.shop.seen_on_dashboard(rosa, order["id"], status="confirmed"), within_seconds=60, what="confirmed"
    )
    assert order["status"] == "placed"
    assert events_of(row) == ["placed", "confirmed"]
    payment = eventually(
        lambda: house.shop.paid(rosa, order["id"], "captured"), within_seconds=60, what="the money taken"
    )
    assert payment["charged"] == payment["amount"] == order["total"]
    assert payment["held"]["amount_minor"] == 0
    read = expect(house.shop.send("GET", f"/api/v1/orders/{order['id']}", who=rosa), 200).body
    assert (read["status"], read["version"]) == ("confirmed", 2)


@pytest.mark.parametrize(
    ("payment_method", "reason"),
    [("test-card-refused", "card_refused"), ("no-such-card", "unknown_payment_method")],
)
def test_an_order_whose_payment_is_refused_is_rejected_and_over(house, payment_method, reason):
    rosa = house.shop.sign_up("Rosa")

    order = expect(house.shop.place(rosa, payment_method=payment_method), 201).body

    row = eventually(
        lambda: house.shop.seen_on_dashboard(rosa, order["id"], status="rejected"), within_seconds=60, what="rejected"
    )
    assert events_of(row) == ["placed", "rejected"]
    payment = expect(house.shop.payment(rosa, order["id"]), 200).body
    assert (payment["status"], payment["refusal_reason"]) == ("refused", reason)
    assert payment["held"]["amount_minor"] == payment["charged"]["amount_minor"] == 0
    totals = expect(house.shop.dashboard(rosa), 200).body["totals"]
    assert (totals["orders_placed"], totals["orders_rejected"], totals["spent"]["amount_minor"]) == (1, 1, 0)
    assert house.shop.cancel(rosa, order["id"]).body["code"] == "orders.not_cancellable"


def test_an_order_that_is_cancelled_after_it_was_paid_is_refunded(house):
    rosa = house.shop.sign_up("Rosa")
    order = expect(house.shop.place(rosa), 201).body
    eventually(lambda: house.shop.paid(rosa, order["id"], "captured"), within_seconds=60, what="the money taken")

    expect(house.shop.cancel(rosa, order["id"]), 200)

    payment = eventually(
        lambda: house.shop.paid(rosa, order["id"], "refunded"), within_seconds=60, what="the money given back"
    )
    assert payment["held"]["amount_minor"] == payment["charged"]["amount_minor"] == 0
    row = eventually(
        lambda: house.shop.seen_on_dashboard(rosa, order["id"], status="cancelled"), within_seconds=60, what="cancelled"
    )
    assert events_of(row) == ["placed", "confirmed", "cancelled"]
    totals = expect(house.shop.dashboard(rosa), 200).body["totals"]
    assert (totals["orders_cancelled"], totals["spent"]["amount_minor"]) == (1, 0)


def test_orders_that_are_cancelled_at_once_cost_nothing_whichever_came_first(house):
    rosa = house.shop.sign_up("Rosa")
    orders = [expect(house.shop.place(rosa, {"chisel": 1}), 201).body["id"] for _ in range(5)]

    for order in orders:
        expect(house.shop.cancel(rosa, order), 200)

    for order in orders:
        payment = eventually(
            lambda order=order: house.shop.paid(rosa, order, "voided") or house.shop.paid(rosa, order, "refunded"),
            within_seconds=60,
            what=f"the money of {order} let go or given back",
        )
        assert payment["held"]["amount_minor"] == payment["charged"]["amount_minor"] == 0
        row = eventually(
            lambda order=order: house.shop.seen_on_dashboard(rosa, order, status="cancelled"),
            within_seconds=60,
            what="cancelled",
        )
        was_confirmed = payment["status"] == "refunded"
        assert events_of(row) == ["placed", *(["confirmed"] if was_confirmed else []), "cancelled"]
    totals = expect(house.shop.dashboard(rosa), 200).body["totals"]
    assert (totals["orders_cancelled"], totals["spent"]["amount_minor"]) == (5, 0)


def events_of(row):
    """Return what an order's history tells, after a look at its versions: 1 to n without a gap."""
    assert [entry["version"] for entry in row["history"]] == list(range(1, len(row["history"]) + 1))
    return [entry["event"].split(".")[1].removeprefix("order_") for entry in row["history"]]


def test_a_retry_with_the_same_key_gets_the_same_answer_and_no_second_order(house):
    rosa, key = house.shop.sign_up(), uuid4().hex

    first = expect(house.shop.place(rosa, key=key), 201)
    again = expect(house.shop.place(rosa, key=key), 201)
    other = house.shop.place(rosa, {"chisel": 3}, key=key)

    assert again.body == first.body
    assert again.headers["idempotency-replayed"] == "true"
    assert other.status == 422
    listed = expect(house.shop.send("GET", "/api/v1/orders", who=rosa), 200).body["items"]
    assert [row["id"] for row in listed] == [first.body["id"]]


def test_fifty_racing_requests_with_one_key_make_one_order(house):
    rosa, key = house.shop.sign_up(), uuid4().hex

    with ThreadPoolExecutor(25) as crowd:
        replies = list(crowd.map(lambda _: house.shop.place(rosa, key=key), range(50)))

    assert {reply.status for reply in replies} <= {201, 409}
    settled = [house.shop.place(rosa, key=key) for _ in range(3)]
    ids = {reply.body["id"] for reply in [*replies, *settled] if reply.status == 201}
    assert len(ids) == 1
    listed = expect(house.shop.send("GET", "/api/v1/orders", who=rosa), 200).body["items"]
    assert len(listed) == 1


def test_a_cancelled_order_is_cancelled_once_and_seen_in_order(house):
    rosa = house.shop.sign_up()
    order = expect(house.shop.place(rosa), 201).body

    first = expect(house.shop.cancel(rosa, order["id"]), 200)
    again = expect(house.shop.cancel(rosa, order["id"]), 200)

    assert first.body == again.body
    assert first.body["status"] == "cancelled"
    row = eventually(
        lambda: house.shop.seen_on_dashboard(rosa, order["id"], status="cancelled"), within_seconds=60, what="cancelled"
    )
    # Its payment may have been quicker.
    assert events_of(row) in (["placed", "cancelled"], ["placed", "confirmed", "cancelled"])
    assert expect(house.shop.dashboard(rosa), 200).body["totals"]["orders_cancelled"] == 1


def test_nobody_sees_or_cancels_another_persons_order(house):
    rosa, tom = house.shop.sign_up("Rosa"), house.shop.sign_up("Tom")
    order = expect(house.shop.place(rosa), 201).body

    assert house.shop.send("GET", f"/api/v1/orders/{order['id']}", who=tom).status == 404
    assert house.shop.cancel(tom, order["id"]).status == 404
    eventually(lambda: house.shop.payment(rosa, order["id"]).status == 200, within_seconds=60, what="rosa's payment")
    assert house.shop.payment(tom, order["id"]).body["code"] == "payments.unknown_payment"
    assert expect(house.shop.send("GET", "/api/v1/orders", who=tom), 200).body["items"] == []
    assert expect(house.shop.dashboard(tom), 200).body["orders"] == []


def test_a_refresh_token_works_once_and_its_reuse_ends_the_family(house):
    rosa = house.shop.sign_up()
    refresh = lambda token: house.shop.send("POST", "/api/v1/auth/refresh", body={"refresh_token": token})  # noqa: E731

    second = expect(refresh(rosa.refresh_token), 200).body["refresh_token"]

    assert refresh(rosa.refresh_token).status == 401
    assert refresh(second).status == 401


def test_a_renamed_person_is_renamed_on_their_dashboard(house):
    rosa = house.shop.sign_up("Rosa")

    expect(house.shop.send("PATCH", "/api/v1/users/me", who=rosa, body={"name": "Rosa Luz"}), 200)

    assert expect(house.shop.dashboard(rosa), 200).body["profile"]["name"] == "Rosa Luz"


def test_every_answer_carries_its_trace_and_its_correlation_id(house):
    reply = house.shop.send("GET", "/api/v1/products", headers={"x-correlation-id": "story-1"})

    assert reply.headers["x-correlation-id"] == "story-1"
    assert len(reply.trace_id) == 32


def test_probes_docs_and_keys_answer_at_the_front_door(house):
    for path in ("/healthz", "/readyz", "/api/docs/", "/.well-known/jwks.json"):
        assert house.shop.send("GET", path).status == 200, path
    for context in CONTEXTS:
        document = expect(house.shop.send("GET", f"/api/schema/{context}"), 200).body
        assert document["openapi"].startswith("3.1")


@pytest.mark.parametrize(
    "path", ["/admin/", "/metrics", "/internal/users/get_account", "/", "/api/v1/orders/%2e%2e/users"]
)
def test_what_is_not_public_does_not_exist_at_the_front_door(house, path):
    assert house.shop.send("GET", path).status in (400, 404)
