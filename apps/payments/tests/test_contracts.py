"""The wire forms that neighbours build on: a change here is a new version there."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from apps.payments.context import CONTEXT
from apps.payments.contracts import errors
from apps.payments.contracts.commands import PaymentReportV1, ReportPaymentV1
from apps.payments.contracts.events import (
    PaymentAuthorisedV1,
    PaymentCapturedV1,
    PaymentRefundedV1,
    PaymentRefusedV1,
    PaymentVoidedV1,
)
from fissile.contexts import Context
from fissile.errors import Refusal
from fissile.events.consumers import consumers_of
from fissile.messages import from_wire, to_wire

FACTS = {
    "payment_id": UUID("0198aa00-0000-7000-8000-000000000001"),
    "order_id": UUID("0198aa00-0000-7000-8000-000000000002"),
    "buyer_id": UUID("0198aa00-0000-7000-8000-000000000003"),
    "amount_minor": 2_500,
    "currency": "EUR",
}
WIRE = FACTS | {name: str(FACTS[name]) for name in ("payment_id", "order_id", "buyer_id")}
EVENTS = {
    "payments.payment_authorised.v1": (PaymentAuthorisedV1(**FACTS), WIRE),
    "payments.payment_refused.v1": (
        PaymentRefusedV1(**FACTS, reason="card_refused"),
        WIRE | {"reason": "card_refused"},
    ),
    "payments.payment_captured.v1": (PaymentCapturedV1(**FACTS, reason="so"), WIRE | {"reason": "so"}),
    "payments.payment_voided.v1": (PaymentVoidedV1(**FACTS, reason="so"), WIRE | {"reason": "so"}),
    "payments.payment_refunded.v1": (PaymentRefundedV1(**FACTS, reason="so"), WIRE | {"reason": "so"}),
}


def on_the_wire(event):
    return json.loads(json.dumps(to_wire(event)))


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_has_its_name_and_its_form_and_survives_the_wire(name):
    event, wire = EVENTS[name]

    assert event.name == name
    assert on_the_wire(event) == wire
    assert from_wire(type(event), on_the_wire(event)) == event
    assert event.aggregate == f"payment/{FACTS['payment_id']}"


def test_a_request_for_a_report_and_the_report_have_their_names_and_forms_and_survive_the_wire():
    order_id, payment_id = str(FACTS["order_id"]), str(FACTS["payment_id"])
    request = ReportPaymentV1(order_id=FACTS["order_id"], answer_by=datetime(2026, 5, 4, 12, 30, tzinfo=UTC))
    report = PaymentReportV1(order_id=FACTS["order_id"], status="captured", payment_id=FACTS["payment_id"])

    assert (request.name, request.receiver) == ("payments.report_payment.v1", "payments")
    assert on_the_wire(request) == {"order_id": order_id, "answer_by": "2026-05-04T12:30:00Z"}
    assert (report.name, type(request).answer) == ("payments.payment_report.v1", PaymentReportV1)
    assert on_the_wire(report) == {"order_id": order_id, "status": "captured", "payment_id": payment_id, "reason": ""}
    assert from_wire(ReportPaymentV1, on_the_wire(request)) == request
    assert from_wire(PaymentReportV1, on_the_wire(report)) == report


def test_the_declaration_says_what_is_published_and_handled():
    assert isinstance(CONTEXT, Context)
    assert set(CONTEXT.publishes) == set(EVENTS)
    assert {event for one in consumers_of(CONTEXT.name) for event in one.handlers} == set(CONTEXT.consumes)


def test_codes_of_refusals_are_stable():
    found = {
        value.code: value.status
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, Refusal) and value is not Refusal
    }

    assert found == {
        "payments.unknown_payment": 404,
        "payments.not_capturable": 409,
        "payments.not_voidable": 409,
        "payments.not_refundable": 409,
    }


def test_events_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        EVENTS["payments.payment_authorised.v1"][0].amount_minor = 0
