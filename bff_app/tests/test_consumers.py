"""Orders' events in the dashboard's read model; the inbox in front of it makes each of them count once."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from bff_app import queries
from bff_app.context import CONTEXT
from bff_app.models import BffInbox, DashboardHistory, DashboardOrder
from bff_app.projections import OrderNeverPlaced
from bff_app.queries import HistoryEntry, Totals
from bff_app.tests.factories import PLACED_AT, cancelled, confirmed, hear, placed, rejected
from fissile.events.consumers import consumers_of
from fissile.testing.ears import Ear, told

pytestmark = pytest.mark.django_db(databases=["bff"])

PLACED, CONFIRMED = "orders.order_placed.v1", "orders.order_confirmed.v1"
REJECTED, CANCELLED = "orders.order_rejected.v1", "orders.order_cancelled.v1"


def test_the_declaration_says_what_is_handled():
    assert {event for one in consumers_of(CONTEXT.name) for event in one.handlers} == set(CONTEXT.consumes)


def test_a_placed_order_is_shown_and_counted():
    order = placed(uuid4(), total_minor=2_500)
    hear(order, 1)

    found = queries.orders_of(order.buyer_id, limit=20)

    (shown,) = found.shown
    assert (shown.id, shown.status, shown.total_minor) == (order.order_id, "placed", 2_500)
    assert shown.placed_at == PLACED_AT
    assert shown.history == (HistoryEntry(version=1, event=PLACED, at=PLACED_AT),)
    assert found.totals == Totals(placed=1, cancelled=0, spent_minor=2_500, currency="EUR")


def test_a_cancelled_order_stays_on_the_dashboard_and_leaves_the_sum():
    buyer_id = uuid4()
    order = placed(buyer_id, total_minor=2_500)
    hear(placed(buyer_id, total_minor=100), 1)
    hear(order, 1)
    hear(cancelled(order), 2)

    found = queries.orders_of(buyer_id, limit=20)

    assert found.totals == Totals(placed=2, cancelled=1, spent_minor=100, currency="EUR")
    gone = next(shown for shown in found.shown if shown.id == order.order_id)
    assert gone.status == "cancelled"
    assert [(entry.version, entry.event) for entry in gone.history] == [(1, PLACED), (2, CANCELLED)]


def test_a_confirmed_order_is_shown_as_such_and_stays_in_the_sum():
    order = placed(uuid4(), total_minor=2_500)
    hear(order, 1)
    hear(confirmed(order), 2)

    found = queries.orders_of(order.buyer_id, limit=20)

    (shown,) = found.shown
    assert shown.status == "confirmed"
    assert [(entry.version, entry.event) for entry in shown.history] == [(1, PLACED), (2, CONFIRMED)]
    assert found.totals == Totals(placed=1, spent_minor=2_500)


def test_a_rejected_order_is_counted_and_leaves_the_sum():
    buyer_id = uuid4()
    order = placed(buyer_id, total_minor=2_500)
    hear(placed(buyer_id, total_minor=100), 1)
    hear(order, 1)
    hear(rejected(order), 2)

    found = queries.orders_of(buyer_id, limit=20)

    assert found.totals == Totals(placed=2, rejected=1, spent_minor=100)
    gone = next(shown for shown in found.shown if shown.id == order.order_id)
    assert gone.status == "rejected"
    assert [(entry.version, entry.event) for entry in gone.history] == [(1, PLACED), (2, REJECTED)]


def test_a_confirmed_order_that_is_cancelled_leaves_the_sum_once():
    order = placed(uuid4(), total_minor=2_500)
    for version, event in enumerate([order, confirmed(order), cancelled(order)], start=1):
        hear(event, version)

    found = queries.orders_of(order.buyer_id, limit=20)

    assert found.totals == Totals(placed=1, cancelled=1, spent_minor=0)
    assert [entry.event for entry in found.shown[0].history] == [PLACED, CONFIRMED, CANCELLED]


def test_each_buyer_sees_their_own_orders_only():
    hear(placed(uuid4()), 1)

    found = queries.orders_of(uuid4(), limit=20)

    assert found.shown == ()
    assert found.totals == Totals()


def test_totals_count_orders_beyond_the_limit_too():
    buyer_id = uuid4()
    for _ in range(3):
        hear(placed(buyer_id), 1)

    found = queries.orders_of(buyer_id, limit=2)

    assert len(found.shown) == 2
    assert found.totals.placed == 3


def test_past_the_inbox_a_double_effect_would_be_loud():
    order = placed(uuid4())
    hear(order, 1)
    hear(cancelled(order), 2)
    hear(cancelled(order), 2)

    assert DashboardHistory.objects.filter(order_id=order.order_id, version=2).count() == 2
    with pytest.raises(IntegrityError), transaction.atomic(using="bff"):
        hear(order, 1)


@pytest.mark.parametrize("change", [confirmed, rejected, cancelled])
def test_a_change_before_its_order_is_a_broken_stream(change):
    with pytest.raises(OrderNeverPlaced):
        hear(change(placed(uuid4())), 2)


@pytest.mark.django_db(databases=["bff"], transaction=True)
def test_through_the_inbox_twice_and_backwards_is_once_and_in_order():
    order = placed(uuid4())
    first, second = told(order), told(cancelled(order), 2)

    with Ear("bff.orders") as ear:
        for message in (second, second, first, first, second):
            ear.hear(message)
            ear.sweep()

    entries = DashboardHistory.objects.filter(order_id=order.order_id).order_by("id")
    assert list(entries.values_list("version", "event")) == [(1, PLACED), (2, CANCELLED)]
    assert DashboardOrder.objects.get().status == "cancelled"
    assert queries.orders_of(order.buyer_id, limit=1).totals == Totals(placed=1, cancelled=1, spent_minor=0)
    assert set(BffInbox.objects.values_list("state", flat=True)) == {"applied"}
