"""The public door of payments: what it shows, and to whom."""

from __future__ import annotations

from uuid import uuid4

import pytest

from apps.payments.tests.factories import AMOUNT_MINOR, a_payment, browser
from fissile.messages import PROBLEM_TYPE
from fissile.trust import issue_access

pytestmark = pytest.mark.django_db(databases=["payments"])


def shown(payment, *, to=None):
    return browser(to or payment.buyer_id).get(f"/api/v1/payments/{payment.order_id}")


def euros(amount_minor):
    return {"amount_minor": amount_minor, "currency": "EUR"}


def assert_problem(answer, status, code):
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer["content-type"] == PROBLEM_TYPE


def test_a_buyer_sees_the_payment_of_their_order():
    payment = a_payment()

    answer = shown(payment)

    assert answer.status_code == 200
    body = answer.json()
    assert body.pop("decided_at").endswith("Z")
    assert body == {
        "id": str(payment.id),
        "order_id": str(payment.order_id),
        "status": "authorised",
        "amount": euros(AMOUNT_MINOR),
        "held": euros(AMOUNT_MINOR),
        "charged": euros(0),
        "refusal_reason": None,
        "version": 1,
    }


@pytest.mark.parametrize(
    ("steps", "status", "held", "charged"),
    [
        (["capture"], "captured", 0, AMOUNT_MINOR),
        (["void"], "voided", 0, 0),
        (["capture", "refund"], "refunded", 0, 0),
    ],
)
def test_held_and_charged_follow_the_ledger(steps, status, held, charged):
    body = shown(a_payment(*steps)).json()

    assert (body["status"], body["held"], body["charged"]) == (status, euros(held), euros(charged))


def test_a_refused_payment_says_why_and_not_with_what():
    body = shown(a_payment(method="test-card-refused")).json()

    assert (body["status"], body["refusal_reason"]) == ("refused", "card_refused")
    assert "test-card-refused" not in str(body)


def test_somebody_elses_payment_is_as_unknown_as_none():
    payment = a_payment()

    assert_problem(shown(payment, to=uuid4()), 404, "payments.unknown_payment")
    assert_problem(browser(uuid4()).get(f"/api/v1/payments/{uuid4()}"), 404, "payments.unknown_payment")
    assert_problem(browser(uuid4()).get("/api/v1/payments/7"), 404, "not_found")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_payment_is_only_read(method):
    payment = a_payment()

    answer = getattr(browser(payment.buyer_id), method)(f"/api/v1/payments/{payment.order_id}")

    assert_problem(answer, 405, "method_not_allowed")
    assert "GET" in answer["allow"]


@pytest.mark.parametrize("token", [None, "", "x.y.z", "expired"])
def test_without_a_valid_token_the_door_is_closed(token):
    payment = a_payment()
    given = issue_access(payment.buyer_id, now=1_700_000_000) if token == "expired" else token
    headers = {} if given is None else {"authorization": f"Bearer {given}"}

    answer = browser().get(f"/api/v1/payments/{payment.order_id}", headers=headers)

    assert_problem(answer, 401, "not_authenticated")
    assert "Bearer" in answer["www-authenticate"]


def test_a_query_that_means_nothing_is_refused():
    payment = a_payment()

    answer = browser(payment.buyer_id).get(f"/api/v1/payments/{payment.order_id}?expand=method")

    assert_problem(answer, 422, "invalid_request")
