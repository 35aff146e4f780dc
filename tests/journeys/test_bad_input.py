"""Bad input at the front door: a documented 4xx problem each, never a 5xx, nothing half-written."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest

from bff_app.management.shop import expect
from fissile import trust
from fissile.trust import keys
from tests.topologies.people import BAD_ORDERS

pytestmark = pytest.mark.house
ONE_TILE = b'{"lines":[{"sku":"slate-tile","quantity":1}]}'


def assert_is_problem(reply):
    assert 400 <= reply.status < 500, reply
    assert reply.headers["content-type"].startswith("application/problem+json")
    assert reply.body["status"] == reply.status
    assert reply.body["code"]
    assert reply.body["detail"]


@pytest.mark.parametrize("name", BAD_ORDERS)
def test_a_bad_order_is_refused_and_leaves_nothing(house, name):
    rosa = house.shop.sign_up()

    reply = house.shop.send(
        "POST", "/api/v1/orders", who=rosa, raw=BAD_ORDERS[name], headers={"idempotency-key": uuid4().hex}
    )

    assert_is_problem(reply)
    assert expect(house.shop.send("GET", "/api/v1/orders", who=rosa), 200).body["items"] == []


@pytest.mark.parametrize("key", [None, "", "x" * 256, "a b c\t", "schlüssel", '"unclosed'])
def test_an_order_without_a_proper_key_is_refused(house, key):
    rosa = house.shop.sign_up()
    headers = {} if key is None else {"idempotency-key": key.encode()}

    reply = house.shop.send(
        "POST", "/api/v1/orders", who=rosa, raw=ONE_TILE, headers=headers
    )

    assert_is_problem(reply)
    assert reply.status == 400


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("DELETE", "/api/v1/orders", {}, 405),
        ("PUT", "/api/v1/users/me", {}, 405),
        ("POST", "/api/v1/dashboard", {}, 405),
        ("POST", "/api/v1/orders", {"content-type": "text/plain"}, 415),
        ("POST", "/api/v1/orders", {"content-type": "application/x-www-form-urlencoded"}, 415),
        ("GET", "/api/v1/orders/not-an-id", {}, 404),
        ("GET", "/api/v1/orders?limit=0", {}, 422),
        ("GET", "/api/v1/orders?limit=x", {}, 422),
        ("GET", "/api/v1/orders?cursor=%00", {}, 422),
        ("GET", "/api/v1/orders?cursor=never", {}, 422),
        ("GET", "/api/v1/nowhere", {}, 404),
    ],
)
def test_a_wrong_method_type_or_address_is_a_problem(house, method, path, headers, status):
    rosa = house.shop.sign_up()
    raw = ONE_TILE if method == "POST" else None

    reply = house.shop.send(method, path, who=rosa, raw=raw, headers={"idempotency-key": uuid4().hex, **headers})

    assert_is_problem(reply)
    assert reply.status == status
    if status == 405:
        assert reply.headers["allow"]


def test_a_body_over_the_limit_is_refused(house):
    rosa = house.shop.sign_up()

    reply = house.shop.send(
        "POST", "/api/v1/orders", who=rosa, raw=b" " * 70_000 + b"{}", headers={"idempotency-key": uuid4().hex}
    )

    assert_is_problem(reply)
    assert reply.status == 413


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", "e30.e30.", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "Bearer", "x" * 7000]
)
def test_a_missing_or_foreign_token_is_refused_alike(house, token):
    reply = house.shop.send("GET", "/api/v1/orders", headers={"authorization": f"Bearer {token}"})

    assert_is_problem(reply)
    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "no-at-sign"),
        ("email", "a" * 300 + "@example.com"),
        ("email", "nul\x00@example.com"),
        ("password", "short"),
        ("password", "password123"),
        ("password", "x" * 129),
        ("name", ""),
        ("name", "x" * 201),
        ("name", "bell\x07"),
        ("name", None),
        ("role", "admin"),
        ("credit_limit", 1),
        ("id", "1"),
    ],
)
def test_a_bad_sign_up_is_refused(house, field, value):
    body = {"email": f"{uuid4().hex}@example.com", "password": f"walking-{uuid4().hex}", "name": "Rosa", field: value}

    reply = house.shop.send("POST", "/api/v1/users", body=body)

    assert_is_problem(reply)
    assert reply.status in (400, 422)


def test_an_email_is_taken_once_whatever_its_case(house):
    rosa = house.shop.sign_up()
    body = {"email": rosa.email.upper(), "password": f"walking-{uuid4().hex}", "name": "Rosa"}

    reply = house.shop.send("POST", "/api/v1/users", body=body)

    assert_is_problem(reply)
    assert (reply.status, reply.body["code"]) == (409, "users.email_taken")


def test_a_wrong_password_and_an_unknown_email_look_the_same(house):
    rosa = house.shop.sign_up()
    ask = lambda email: house.shop.send(  # noqa: E731
        "POST", "/api/v1/auth/token", body={"email": email, "password": "wrong-password"}
    )

    known, unknown = ask(rosa.email), ask("nobody@example.com")

    assert known.status == unknown.status == 401
    assert known.body == unknown.body


def a_token(keys_dir, user_id, *, minutes_ago):
    """Return an access token of a shop with these keys, issued some time ago."""
    trust.configure(keys_dir=keys_dir)
    return trust.issue_access(user_id, now=time.time() - 60 * minutes_ago)


def test_an_expired_token_is_refused(house):
    rosa = house.shop.sign_up()
    token = a_token(house.house.state_dir / "keys", rosa.id, minutes_ago=16)

    reply = house.shop.send("GET", "/api/v1/orders", headers={"authorization": f"Bearer {token}"})

    assert_is_problem(reply)
    assert reply.status == 401


def test_a_token_of_another_shop_is_refused(house, tmp_path):
    rosa = house.shop.sign_up()
    keys.ensure(tmp_path, [keys.ACCESS])
    token = a_token(tmp_path, rosa.id, minutes_ago=0)

    reply = house.shop.send("GET", "/api/v1/orders", headers={"authorization": f"Bearer {token}"})

    assert_is_problem(reply)
    assert reply.status == 401
