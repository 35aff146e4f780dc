"""The operators' door of payments: rows are shown; actions go through the use cases, row by row."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.messages import get_messages
from django.test import Client

from apps.payments import usecases
from apps.payments.contracts.errors import NotCapturable
from apps.payments.contracts.events import PaymentCapturedV1, PaymentRefundedV1, PaymentVoidedV1
from apps.payments.models import Payment, PaymentsOutbox
from apps.payments.tests.factories import a_payment
from fissile.testing.published import assert_published

pytestmark = pytest.mark.django_db(databases=["payments", "operations"])

PAGE = "/admin/payments/payment/"


@pytest.fixture
def operator():
    user = get_user_model().objects.create_superuser("olga", password="a-wall-of-granite")
    client = Client()
    client.force_login(user)
    return client


def act(client, verb, *payments, reason=None):
    chosen = {"action": f"{verb}_selected", "_selected_action": [str(payment.id) for payment in payments]}
    return client.post(PAGE, chosen | ({"reason": reason} if reason else {}))


def told(answer):
    return [str(message) for message in get_messages(answer.wsgi_request)]


@pytest.mark.parametrize("verb", ["capture", "void"])
def test_nothing_happens_before_a_reason_is_given(operator, verb):
    payment = a_payment()

    answer = act(operator, verb, payment)

    assert answer.status_code == 200
    assert f"{verb.title()} payments" in answer.content.decode()
    assert Payment.objects.get().status == "authorised"


@pytest.mark.parametrize(
    ("steps", "verb", "status", "event"),
    [
        ([], "capture", "captured", PaymentCapturedV1),
        ([], "void", "voided", PaymentVoidedV1),
        (["capture"], "refund", "refunded", PaymentRefundedV1),
    ],
)
def test_selected_payments_are_acted_on_with_their_events(operator, steps, verb, status, event):
    payments = [a_payment(*steps), a_payment(*steps)]

    answer = act(operator, verb, *payments, reason="goodwill")

    assert told(answer) == [f"{verb.title()}: 2 done."]
    assert {payment.status for payment in Payment.objects.all()} == {status}
    assert_published(event, times=2, reason="by operator olga: goodwill")


@pytest.mark.parametrize("verb", ["capture", "void", "refund"])
def test_payments_that_are_over_are_left_alone(operator, verb):
    refused = a_payment(method="test-card-refused")

    answer = act(operator, verb, refused, a_payment("void"), reason="goodwill")

    assert told(answer) == [f"{verb.title()}: none of the selected payments can be."]
    assert PaymentsOutbox.objects.count() == 3


def test_a_refusal_is_shown_for_its_row_and_stops_no_other(operator, monkeypatch):
    quick, slow = a_payment(), a_payment()
    capture = usecases.capture_payment

    def overtaken(order_id, *, reason):
        """Somebody else voids the first one between the page and the action."""
        if order_id == quick.order_id:
            usecases.void_payment(order_id, reason="by somebody quicker")
        capture(order_id, reason=reason)

    monkeypatch.setattr(usecases, "capture_payment", overtaken)

    answer = act(operator, "capture", quick, slow, reason="goodwill")

    assert sorted(told(answer)) == ["Capture: 1 done.", f"payment {quick.id}: {NotCapturable()}"]
    assert dict(Payment.objects.values_list("id", "status")) == {quick.id: "voided", slow.id: "captured"}


@pytest.mark.parametrize(
    "page", ["payment", "ledgerline", "paymentsoutbox", "paymentsinbox", "paymentsposition", "paymentslane"]
)
def test_every_page_opens_and_offers_no_change(operator, page):
    a_payment()

    assert operator.get(f"/admin/payments/{page}/").status_code == 200
    assert operator.get(f"/admin/payments/{page}/add/").status_code == 403


def test_a_payment_is_shown_with_its_ledger(operator):
    payment = a_payment("capture")

    page = operator.get(f"{PAGE}{payment.id}/change/").content.decode()

    assert all(kind in page for kind in ("Hold", "Release", "Charge"))


@pytest.mark.parametrize("by", ["id", "order_id", "buyer_id"])
def test_a_payment_is_found_by_its_ids(operator, by):
    payment = a_payment()
    a_payment()

    page = operator.get(PAGE, {"q": str(getattr(payment, by))}).content.decode()

    assert f"{PAGE}{payment.id}/change/" in page
    assert "1 result" in page


def test_the_ledger_is_searched_by_payment_and_by_order(operator):
    payment = a_payment()
    a_payment("void")

    for known in (payment.id, payment.order_id):
        assert "1 result" in operator.get("/admin/payments/ledgerline/", {"q": str(known)}).content.decode()


@pytest.mark.parametrize("nonsense", ["abc", "'", "%", "\0", "é" * 300])
@pytest.mark.parametrize("page", ["payment", "ledgerline"])
def test_a_search_for_nonsense_is_no_server_error(operator, page, nonsense):
    assert operator.get(f"/admin/payments/{page}/", {"q": nonsense}).status_code < 400


def test_nobody_else_comes_in():
    assert Client().get(PAGE).status_code == 302
