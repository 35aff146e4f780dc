"""The public door of orders: what it answers, and what it refuses and how."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from apps.orders import usecases, wiring
from apps.orders.contracts.events import OrderPlacedV1
from apps.orders.models import Order, OrderLine, OrdersIdempotencyKey, OrdersOutbox
from apps.orders.tests.conformance_buyer_directory import FakeBuyerDirectory
from apps.orders.tests.factories import a_known_buyer, a_placed_order, browser
from fissile.events import backlog
from fissile.messages import PROBLEM_TYPE
from fissile.testing.published import assert_published
from fissile.trust import issue_access

pytestmark = pytest.mark.django_db(databases=["orders"])

TWO_TILES = {"lines": [{"sku": "slate-tile", "quantity": 2}]}


@pytest.fixture(autouse=True)
def users_are_down(monkeypatch):
    """Whoever is not in our own copy cannot be asked for; single tests say otherwise."""
    monkeypatch.setattr(wiring, "buyers", lambda: FakeBuyerDirectory(is_down=True))


@pytest.fixture
def full_outbox():
    """The outbox as a process knows it that saw too many events waiting; call it to let them leave."""
    known = backlog.backlog_of("orders")
    known.is_full, known._next_look = True, float("inf")
    yield lambda: setattr(known, "is_full", False)
    known.is_full, known._next_look = False, float("-inf")


def place(client, body=TWO_TILES, *, key="k-1", **headers):
    data = body if isinstance(body, bytes) else json.dumps(body)
    sent = {"idempotency-key": key} if key is not None else {}
    kind = headers.pop("content_type", "application/json")
    # Once more as CONTENT_TYPE: the client leaves it out where the body is empty.
    return client.post("/api/v1/orders", data, content_type=kind, headers=sent | headers, CONTENT_TYPE=kind)


def nothing_was_written():
    return not (Order.objects.exists() or OrderLine.objects.exists() or OrdersOutbox.objects.exists())


def assert_problem(answer, status, code):
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer["content-type"] == PROBLEM_TYPE
    assert answer.json()["status"] == status


def test_anybody_may_read_the_price_list():
    a_known_buyer()

    items = browser().get("/api/v1/products").json()["items"]

    assert len(items) >= 6
    tile = next(item for item in items if item["sku"] == "slate-tile")
    assert tile == {
        "sku": "slate-tile",
        "name": "Slate tile, 30 × 20 cm",
        "price": {"amount_minor": 1_250, "currency": "EUR"},
    }


def test_an_order_is_placed_and_can_be_read_where_the_answer_says():
    client = browser(a_known_buyer())

    answer = place(client)

    order = answer.json()
    assert answer.status_code == 201
    assert answer["location"] == f"/api/v1/orders/{order['id']}"
    assert order["total"] == {"amount_minor": 2_500, "currency": "EUR"}
    assert (order["status"], order["version"]) == ("placed", 1)
    assert order["lines"] == [
        {
            "sku": "slate-tile",
            "name": "Slate tile, 30 × 20 cm",
            "quantity": 2,
            "unit_price": {"amount_minor": 1_250, "currency": "EUR"},
            "line_total": {"amount_minor": 2_500, "currency": "EUR"},
        }
    ]
    assert client.get(answer["location"]).json() == order


def test_a_retry_with_the_same_key_is_a_replay_of_the_whole_answer():
    client = browser(a_known_buyer())

    first, again = place(client), place(client, key='"k-1"')

    assert again.status_code == 201
    assert (again.content, again["location"]) == (first.content, first["location"])
    assert "idempotency-replayed" not in first
    assert again["idempotency-replayed"] == "true"
    assert Order.objects.count() == 1


def test_the_same_key_with_another_body_is_refused():
    client = browser(a_known_buyer())
    place(client)

    answer = place(client, {"lines": [{"sku": "chisel", "quantity": 1}]})

    assert_problem(answer, 422, "idempotency_key_reused")
    assert Order.objects.count() == 1


def test_the_payment_method_is_part_of_what_the_key_stands_for():
    client = browser(a_known_buyer())
    first = place(client, TWO_TILES | {"payment_method": "test-card-refused"})

    again = place(client, TWO_TILES | {"payment_method": "test-card-refused"})
    other = place(client, TWO_TILES | {"payment_method": "test-card"})

    assert (again.content, again["idempotency-replayed"]) == (first.content, "true")
    assert_problem(other, 422, "idempotency_key_reused")
    assert_published(OrderPlacedV1, payment_method="test-card-refused")


def test_without_a_payment_method_it_is_the_test_card():
    place(browser(a_known_buyer()))

    assert_published(OrderPlacedV1, payment_method="test-card")


@pytest.mark.parametrize("method", ["", "x" * 65, "Test-Card", "test card", "4111 1111", "test_card", None, 4, "a\n"])
def test_a_payment_method_that_is_none_is_refused_and_nothing_is_written(method):
    answer = place(browser(a_known_buyer()), TWO_TILES | {"payment_method": method})

    assert_problem(answer, 422, "invalid_request")
    assert nothing_was_written()


def test_a_rejected_order_is_over_and_cannot_be_cancelled():
    order = a_placed_order()
    usecases.reject_order(order.id, payment_id=uuid4(), reason="card_refused")
    client = browser(order.buyer_id)

    assert client.get(f"/api/v1/orders/{order.id}").json()["status"] == "rejected"
    assert_problem(client.post(f"/api/v1/orders/{order.id}/cancel"), 409, "orders.not_cancellable")


def test_one_key_of_two_buyers_is_two_keys():
    mine, theirs = place(browser(a_known_buyer())), place(browser(a_known_buyer()))

    assert mine.json()["id"] != theirs.json()["id"]


def test_the_list_goes_page_by_page_from_new_to_old():
    buyer_id = a_known_buyer()
    placed = {str(a_placed_order(buyer_id).id) for _ in range(3)}
    client = browser(buyer_id)

    first = client.get("/api/v1/orders?limit=2").json()
    last = client.get("/api/v1/orders", {"limit": 2, "cursor": first["next_cursor"]}).json()

    assert {order["id"] for order in first["items"] + last["items"]} == placed
    assert last["next_cursor"] is None


def test_an_order_is_cancelled_once_however_often_it_is_asked_for():
    order = a_placed_order()
    client = browser(order.buyer_id)

    first, again = (client.post(f"/api/v1/orders/{order.id}/cancel") for _ in range(2))

    assert (first.status_code, first.json()["status"], first.json()["version"]) == (200, "cancelled", 2)
    assert (again.status_code, again.json()) == (200, first.json())
    assert OrdersOutbox.objects.count() == 2


def test_somebody_elses_order_is_as_unknown_as_none():
    order = a_placed_order()
    stranger = browser(a_known_buyer())

    assert_problem(stranger.get(f"/api/v1/orders/{order.id}"), 404, "orders.unknown_order")
    assert_problem(stranger.post(f"/api/v1/orders/{order.id}/cancel"), 404, "orders.unknown_order")
    assert_problem(stranger.get(f"/api/v1/orders/{uuid4()}"), 404, "orders.unknown_order")
    assert_problem(stranger.get("/api/v1/orders/7"), 404, "not_found")
    assert stranger.get("/api/v1/orders").json() == {"items": [], "next_cursor": None}
    assert Order.objects.get().status == "placed"


def test_a_buyer_nobody_has_told_us_about_gets_a_503_while_users_are_down():
    answer = place(browser(uuid4()))

    assert_problem(answer, 503, "unreachable")
    assert answer["retry-after"]
    assert not OrdersIdempotencyKey.objects.exists()


def test_an_order_that_a_full_outbox_refused_can_be_placed_with_the_same_key_later(full_outbox):
    client = browser(a_known_buyer())

    refused = place(client)
    assert_problem(refused, 503, "outbox_full")
    assert refused["retry-after"] == "5"
    assert nothing_was_written()
    assert not OrdersIdempotencyKey.objects.exists()

    full_outbox()
    assert place(client).status_code == 201


def test_a_stranger_to_users_too_is_no_buyer(monkeypatch):
    monkeypatch.setattr(wiring, "buyers", FakeBuyerDirectory)

    assert_problem(place(browser(uuid4())), 403, "orders.unknown_buyer")


@pytest.mark.parametrize(
    ("lines", "status", "code"),
    [
        ([], 422, "invalid_request"),
        ([{"sku": "slate-tile", "quantity": 0}], 422, "invalid_request"),
        ([{"sku": "slate-tile", "quantity": -1}], 422, "invalid_request"),
        ([{"sku": "slate-tile", "quantity": 1_001}], 422, "invalid_request"),
        ([{"sku": "slate-tile", "quantity": 10**300}], 400, "malformed_request"),
        ([{"sku": "slate-tile", "quantity": 1.5}], 422, "invalid_request"),
        ([{"sku": "slate-tile", "quantity": "2"}], 422, "invalid_request"),
        ([{"sku": "slate-tile", "quantity": True}], 422, "invalid_request"),
        ([{"sku": "slate-tile", "quantity": None}], 422, "invalid_request"),
        ([{"sku": "slate-tile"}], 422, "invalid_request"),
        ([{"sku": "slate-tile", "quantity": 1, "unit_price": 1}], 422, "invalid_request"),
        ([{"sku": "Slate Tile", "quantity": 1}], 422, "invalid_request"),
        ([{"sku": "x" * 41, "quantity": 1}], 422, "invalid_request"),
        ([{"sku": "lava", "quantity": 1}], 422, "orders.unknown_product"),
        ([{"sku": "slate-tile", "quantity": 1}] * 2, 422, "orders.invalid_lines"),
        ([{"sku": "slate-tile", "quantity": 1}] * 51, 422, "invalid_request"),
        ([{"sku": "marble-slab", "quantity": 1_000}], 422, "orders.credit_limit_exceeded"),
        ({"sku": "slate-tile"}, 422, "invalid_request"),
        ("slate-tile", 422, "invalid_request"),
        (None, 422, "invalid_request"),
    ],
)
def test_bad_lines_are_refused_and_nothing_is_written(lines, status, code):
    answer = place(browser(a_known_buyer()), {"lines": lines})

    assert_problem(answer, status, code)
    assert nothing_was_written()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 422),
        (b"null", 422),
        (b"{}", 422),
        (b'{"lines": [{"sku": "slate-tile", "quantity": 1}], "price": 1}', 422),
        (b'{"lines": [{"sku": "slate\\u0000tile", "quantity": 1}]}', 400),
        (b'{"lines": [{"sku": "slate\\ud800tile", "quantity": 1}]}', 400),
        (b'{"lines": [{"sku": "slate-tile", "quantity": ' + b"9" * 5_000 + b"}]}", 400),
        (b'{"lines": [{"sku": "slate-tile", "quantity": NaN}]}', 400),
        (b'{"lines": [{"sku": "slate-tile", "quantity": 1, "quantity": 2}]}', 400),
        (b'{"lines": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", 400),
        (b'{"lines": [{"sku": "slate-tile", "quantity": 1}]}' + b" " * 70_000, 413),
        (b"\xff\xfe", 400),
    ],
    ids=["empty", "cut off", "a list", "null", "no lines", "unknown field", "NUL", "lone surrogate", "5,000 digits",
         "NaN", "a name twice", "too deep", "too large", "not UTF-8"],
)  # fmt: skip
def test_bad_bodies_are_refused_and_nothing_is_written(body, status):
    answer = place(browser(a_known_buyer()), body)

    assert (answer.status_code, answer["content-type"]) == (status, PROBLEM_TYPE)
    assert nothing_was_written()


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
def test_only_json_is_read(kind):
    assert_problem(place(browser(a_known_buyer()), b"lines=1", content_type=kind), 415, "unsupported_media_type")
    assert nothing_was_written()


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "idempotency_key_required"),
        ("", "idempotency_key_invalid"),
        ('""', "idempotency_key_invalid"),
        ("k" * 256, "idempotency_key_invalid"),
        ("a b", "idempotency_key_invalid"),
        ("ключ", "idempotency_key_invalid"),
    ],
)
def test_a_key_is_required_and_must_be_one(key, code):
    assert_problem(place(browser(a_known_buyer()), key=key), 400, code)
    assert nothing_was_written()


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_refused(method):
    answer = getattr(browser(a_known_buyer()), method)("/api/v1/orders")

    assert_problem(answer, 405, "method_not_allowed")
    assert {"GET", "POST"} <= set(answer["allow"].split(", "))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/api/v1/orders"),
        ("post", "/api/v1/orders"),
        ("get", f"/api/v1/orders/{uuid4()}"),
        ("post", f"/api/v1/orders/{uuid4()}/cancel"),
    ],
)
@pytest.mark.parametrize("token", [None, "", "x.y.z", "expired", "no customer"])
def test_without_a_valid_token_every_door_but_the_price_list_is_closed(method, path, token):
    made = {
        "expired": lambda: issue_access(uuid4(), now=1_700_000_000),
        "no customer": lambda: issue_access("not-a-uuid"),
    }
    shown = made[token]() if token in made else token
    headers = {} if shown is None else {"authorization": f"Bearer {shown}"}
    if method == "post":
        headers |= {"idempotency-key": "k"}

    answer = getattr(browser(), method)(
        path, **({"data": TWO_TILES, "content_type": "application/json"} if method == "post" else {}), headers=headers
    )

    assert_problem(answer, 401, "not_authenticated")
    assert "Bearer" in answer["www-authenticate"]
    assert nothing_was_written()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "invalid_request"),
        ("limit=101", "invalid_request"),
        ("limit=-1", "invalid_request"),
        ("limit=x", "invalid_request"),
        ("limit=" + "9" * 5_000, "invalid_request"),
        ("limit=1&limit=2", "invalid_request"),
        ("page=2", "invalid_request"),
        ("cursor=", "invalid_request"),
        ("cursor=%00", "invalid_request"),
        ("cursor=" + "a" * 81, "invalid_request"),
        ("cursor=abc", "orders.invalid_cursor"),
    ],
)
def test_a_bad_page_is_refused(query, code):
    assert_problem(browser(a_known_buyer()).get(f"/api/v1/orders?{query}"), 422, code)
