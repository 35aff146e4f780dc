"""The wire forms that neighbours build on: a change here is a new version there."""

from __future__ import annotations

import dataclasses
import json
from uuid import UUID

import pytest

from apps.orders.context import CONTEXT
from apps.orders.contracts import errors
from apps.orders.contracts.events import (
    OrderCancelledV1,
    OrderConfirmedV1,
    OrderPlacedV1,
    OrderRejectedV1,
    PlacedLineV1,
)
from apps.orders.tests.factories import PLACED_AT
from fissile.contexts import Context
from fissile.errors import Refusal
from fissile.events.consumers import consumers_of
from fissile.messages import from_wire, to_wire

ORDER_ID = UUID("0198aa00-0000-7000-8000-000000000001")
BUYER_ID = UUID("0198aa00-0000-7000-8000-000000000002")
PLACED = OrderPlacedV1(
    order_id=ORDER_ID,
    buyer_id=BUYER_ID,
    lines=(PlacedLineV1(sku="slate-tile", quantity=2, unit_price_minor=1_250),),
    total_minor=2_500,
    currency="EUR",
    placed_at=PLACED_AT,
)
PAYMENT_ID = UUID("0198aa00-0000-7000-8000-000000000003")
CONFIRMED = OrderConfirmedV1(order_id=ORDER_ID, buyer_id=BUYER_ID, payment_id=PAYMENT_ID)
REJECTED = OrderRejectedV1(
    order_id=ORDER_ID, buyer_id=BUYER_ID, reason="card_refused", total_minor=2_500, currency="EUR"
)
CANCELLED = OrderCancelledV1(
    order_id=ORDER_ID, buyer_id=BUYER_ID, reason="by the buyer", total_minor=2_500, currency="EUR"
)


def on_the_wire(event):
    return json.loads(json.dumps(to_wire(event)))


def test_order_placed_v1_on_the_wire():
    assert on_the_wire(PLACED) == {
        "order_id": str(ORDER_ID),
        "buyer_id": str(BUYER_ID),
        "lines": [{"sku": "slate-tile", "quantity": 2, "unit_price_minor": 1_250}],
        "total_minor": 2_500,
        "currency": "EUR",
        "placed_at": "2026-05-04T12:30:00Z",
        "payment_method": "test-card",
    }


def test_an_order_placed_before_there_were_payment_methods_can_still_be_read():
    stored = on_the_wire(PLACED)
    del stored["payment_method"]

    assert from_wire(OrderPlacedV1, stored) == PLACED


def test_order_confirmed_v1_on_the_wire():
    assert on_the_wire(CONFIRMED) == {
        "order_id": str(ORDER_ID),
        "buyer_id": str(BUYER_ID),
        "payment_id": str(PAYMENT_ID),
    }


def test_order_rejected_v1_on_the_wire():
    assert on_the_wire(REJECTED) == {
        "order_id": str(ORDER_ID),
        "buyer_id": str(BUYER_ID),
        "reason": "card_refused",
        "total_minor": 2_500,
        "currency": "EUR",
    }


def test_order_cancelled_v1_on_the_wire():
    assert on_the_wire(CANCELLED) == {
        "order_id": str(ORDER_ID),
        "buyer_id": str(BUYER_ID),
        "reason": "by the buyer",
        "total_minor": 2_500,
        "currency": "EUR",
    }


@pytest.mark.parametrize("event", [PLACED, CONFIRMED, REJECTED, CANCELLED], ids=lambda event: event.name)
def test_an_event_survives_the_wire(event):
    assert from_wire(type(event), on_the_wire(event)) == event
    assert event.aggregate == f"order/{ORDER_ID}"


def test_the_declaration_says_what_is_published_and_handled():
    assert isinstance(CONTEXT, Context)
    assert CONTEXT.publishes == (PLACED.name, CONFIRMED.name, REJECTED.name, CANCELLED.name)
    assert {event for one in consumers_of(CONTEXT.name) for event in one.handlers} == set(CONTEXT.consumes)


def test_codes_of_refusals_are_stable():
    found = {
        value.code: value.status
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, Refusal) and value is not Refusal
    }

    assert found == {
        "orders.unknown_product": 422,
        "orders.invalid_lines": 422,
        "orders.credit_limit_exceeded": 422,
        "orders.unknown_buyer": 403,
        "orders.unknown_order": 404,
        "orders.not_cancellable": 409,
        "orders.invalid_cursor": 422,
    }


def test_events_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PLACED.total_minor = 0
