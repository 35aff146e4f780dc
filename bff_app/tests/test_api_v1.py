"""The dashboard: one request, one answer, in time, saying what is missing."""

from __future__ import annotations

import time
from threading import Event
from uuid import uuid4

import pytest

from bff_app import queries, usecases, wiring
from bff_app.tests.conformance_profile_directory import FakeProfileDirectory
from bff_app.tests.factories import a_profile, browser, cancelled, hear, placed
from fissile.errors import BrokenContractError, UnreachableError
from fissile.messages import PROBLEM_TYPE

# Parts run in threads of their own, which see committed rows only.
pytestmark = pytest.mark.django_db(databases=["bff"], transaction=True)


@pytest.fixture
def profile(monkeypatch):
    known = a_profile()
    monkeypatch.setattr(wiring, "profiles", lambda: FakeProfileDirectory(known))
    return known


def dashboard(user_id, query=""):
    return browser(user_id).get(f"/api/v1/dashboard{query}")


def test_the_dashboard_is_one_answer(profile):
    order = placed(profile.id)
    hear(order, 1)
    hear(cancelled(order), 2)

    answer = dashboard(profile.id)

    assert answer.status_code == 200
    assert answer.json() == {
        "profile": {"id": str(profile.id), "name": "Rosa", "email": "rosa@example.com"},
        "orders": [
            {
                "id": str(order.order_id),
                "status": "cancelled",
                "total": {"amount_minor": 2_500, "currency": "EUR"},
                "placed_at": "2026-05-04T12:30:00Z",
                "history": [
                    {"version": 1, "event": "orders.order_placed.v1", "at": "2026-05-04T12:30:00Z"},
                    {"version": 2, "event": "orders.order_cancelled.v1", "at": "2026-05-04T12:30:00Z"},
                ],
            }
        ],
        "totals": {
            "orders_placed": 1,
            "orders_cancelled": 1,
            "orders_rejected": 0,
            "spent": {"amount_minor": 0, "currency": "EUR"},
        },
        "missing": [],
    }


def test_without_an_order_there_is_nothing_spent(profile):
    answer = dashboard(profile.id).json()

    assert answer["orders"] == []
    assert answer["totals"]["spent"] == {"amount_minor": 0, "currency": "EUR"}


def test_with_users_down_the_profile_is_named_and_the_orders_are_there(monkeypatch):
    monkeypatch.setattr(wiring, "profiles", lambda: FakeProfileDirectory(is_down=True))
    buyer_id = uuid4()
    hear(placed(buyer_id), 1)

    answer = dashboard(buyer_id)

    assert answer.status_code == 200
    assert answer.json()["profile"] is None
    assert answer.json()["missing"] == [{"part": "profile", "reason": "unreachable"}]
    assert len(answer.json()["orders"]) == 1


def test_with_users_hanging_the_answer_comes_in_time(monkeypatch):
    released = Event()

    class Hanging:
        def find_profile(self, user_id):
            released.wait(timeout=30)

    monkeypatch.setattr(wiring, "profiles", Hanging)
    monkeypatch.setattr(usecases, "DEADLINE_SECONDS", 0.5)
    started = time.monotonic()

    answer = dashboard(uuid4())

    took = time.monotonic() - started
    released.set()
    assert answer.json()["missing"] == [{"part": "profile", "reason": "late"}]
    assert answer.json()["totals"] is not None
    assert took < 1.5


def test_without_its_own_read_model_it_says_so_too(profile, monkeypatch):
    def gone(buyer_id, *, limit):
        raise UnreachableError

    monkeypatch.setattr(queries, "orders_of", gone)

    answer = dashboard(profile.id)

    assert answer.status_code == 200
    assert answer.json()["missing"] == [{"part": "orders", "reason": "unreachable"}]
    assert (answer.json()["orders"], answer.json()["totals"]) == ([], None)
    assert answer.json()["profile"]["name"] == "Rosa"


def test_a_bug_in_a_part_is_not_passed_off_as_something_missing(monkeypatch):
    class Lying:
        def find_profile(self, user_id):
            raise BrokenContractError("an account without a name")

    monkeypatch.setattr(wiring, "profiles", Lying)

    answer = dashboard(uuid4())

    assert (answer.status_code, answer["content-type"]) == (500, PROBLEM_TYPE)
    assert answer.json()["code"] == "internal"


def test_the_limit_bounds_the_orders_shown_and_not_the_totals(profile):
    for _ in range(3):
        hear(placed(profile.id), 1)

    answer = dashboard(profile.id, "?limit=2").json()

    assert len(answer["orders"]) == 2
    assert answer["totals"]["orders_placed"] == 3


@pytest.mark.parametrize("query", ["?limit=0", "?limit=101", "?limit=x", "?limit=1&limit=2", "?cursor=x"])
def test_a_bad_query_is_refused(profile, query):
    answer = dashboard(profile.id, query)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_without_a_token_the_door_is_closed():
    answer = browser().get("/api/v1/dashboard")

    assert (answer.status_code, answer["content-type"]) == (401, PROBLEM_TYPE)
