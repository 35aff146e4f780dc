"""Placing and cancelling on orders' own database, with a fake directory."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import IntegrityError, connections, transaction

from apps.orders import projections, queries, usecases
from apps.orders.contracts.errors import InvalidCursor, NotCancellable, UnknownBuyer, UnknownOrder
from apps.orders.contracts.events import OrderCancelledV1, OrderPlacedV1
from apps.orders.models import Order, OrderLine, OrdersOutbox, Product
from apps.orders.seed import PRICE_LIST, seed
from apps.orders.tests.conformance_buyer_directory import FakeBuyerDirectory
from apps.orders.tests.factories import a_buyer, a_known_buyer, a_placed_order, euros, wishes
from fissile.data.commands import Answer, Claim
from fissile.data.guard import writing
from fissile.data.models import UnpublishedChange
from fissile.errors import UnreachableError
from fissile.testing.published import assert_published

pytestmark = pytest.mark.django_db(databases=["orders"])


def place(buyer_id, *, buyers=None, claim=None, payment_method="test-card", **quantities):
    return usecases.place_order(
        wishes(**(quantities or {"slate_tile": 1})),
        buyer_id=buyer_id,
        payment_method=payment_method,
        claim=claim,
        buyers=buyers or FakeBuyerDirectory(),
        render=lambda order: Answer(status=201, body={"id": str(order.id), "total": order.total.amount_minor}),
    )


def a_claim(buyer_id, key="k-1", fingerprint="f" * 64):
    return Claim(principal=str(buyer_id), method="POST", route="/api/v1/orders", key=key, fingerprint=fingerprint)


def published():
    return list(OrdersOutbox.objects.order_by("seq").values_list("type", "version"))


def test_an_order_its_lines_and_its_event_are_there_together():
    order = a_placed_order(slate_tile=2, chisel=1)

    (event,) = assert_published(OrderPlacedV1, order_id=order.id, total_minor=order.total.amount_minor)
    assert order.total == euros(2 * 1_250 + 2_450)
    assert (order.version, event.aggregate) == (1, f"order/{order.id}")
    assert [line.sku for line in event.lines] == [line.sku for line in order.lines]


def test_a_buyer_in_our_own_copy_is_not_asked_for():
    buyers = FakeBuyerDirectory(is_down=True)

    assert place(a_known_buyer(), buyers=buyers).status == 201
    assert buyers.asked == []


def test_a_buyer_whose_event_is_still_on_its_way_is_asked_for():
    seed()
    buyer = a_buyer()

    assert place(buyer.id, buyers=FakeBuyerDirectory(buyer)).status == 201


def test_an_unknown_buyer_is_refused_and_nothing_is_written():
    seed()

    with pytest.raises(UnknownBuyer):
        place(uuid4())

    assert not Order.objects.exists()
    assert published() == []


def test_without_users_an_unknown_buyer_cannot_order_and_may_come_back_with_the_same_key():
    seed()
    buyer = a_buyer()
    claim = a_claim(buyer.id)

    with pytest.raises(UnreachableError):
        place(buyer.id, buyers=FakeBuyerDirectory(is_down=True), claim=claim)

    assert place(buyer.id, buyers=FakeBuyerDirectory(buyer), claim=claim).status == 201


def test_the_same_key_gives_the_same_answer_and_one_order():
    buyer_id = a_known_buyer()

    first = place(buyer_id, claim=a_claim(buyer_id))
    second = place(buyer_id, claim=a_claim(buyer_id))

    assert second.body == first.body
    assert (first.replayed, second.replayed) == (False, True)
    assert published() == [("orders.order_placed.v1", 1)]


def test_a_refused_order_leaves_no_row_and_its_refusal_is_replayed():
    buyer_id = a_known_buyer(limit_minor=1)

    first = place(buyer_id, claim=a_claim(buyer_id))
    with writing("orders"):
        projections.change_credit_limit(buyer_id, 10**6, "EUR", version=2)
    second = place(buyer_id, claim=a_claim(buyer_id))

    assert first.status == second.status == 422
    assert second.body["code"] == "orders.credit_limit_exceeded"
    assert not Order.objects.exists()
    assert published() == []


def test_a_later_price_does_not_change_an_order():
    order = a_placed_order(slate_tile=1)

    with writing("orders"):
        Product.objects.filter(sku="slate-tile").update(price_minor=9)

    assert queries.get_order(order.id, buyer_id=order.buyer_id).total == euros(1_250)


def test_a_cancelled_order_tells_why():
    order = a_placed_order()

    cancelled = usecases.cancel_order(order.id, buyer_id=order.buyer_id, reason="by the buyer")

    assert (cancelled.status, cancelled.version) == ("cancelled", 2)
    assert published() == [("orders.order_placed.v1", 1), ("orders.order_cancelled.v1", 2)]
    assert_published(OrderCancelledV1, reason="by the buyer")


def test_cancelled_again_it_answers_the_same_and_tells_nobody():
    order = a_placed_order()

    first = usecases.cancel_order(order.id, buyer_id=order.buyer_id, reason="by the buyer")
    second = usecases.cancel_order(order.id, buyer_id=order.buyer_id, reason="once more")

    assert second == first
    assert len(published()) == 2


def test_the_payment_method_is_told_and_not_kept():
    place(a_known_buyer(), payment_method="test-card-refused")

    assert_published(OrderPlacedV1, payment_method="test-card-refused")


def test_a_confirmed_order_can_still_be_cancelled():
    order = a_placed_order()
    usecases.confirm_order(order.id, payment_id=uuid4())

    cancelled = usecases.cancel_order(order.id, buyer_id=order.buyer_id, reason="by the buyer")

    assert (cancelled.status, cancelled.version) == ("cancelled", 3)
    assert [name for name, _ in published()] == [
        "orders.order_placed.v1",
        "orders.order_confirmed.v1",
        "orders.order_cancelled.v1",
    ]


def test_a_rejected_order_cannot_be_cancelled():
    order = a_placed_order()
    usecases.reject_order(order.id, payment_id=uuid4(), reason="card_refused")

    with pytest.raises(NotCancellable):
        usecases.cancel_order(order.id, buyer_id=order.buyer_id, reason="too late")

    assert published()[1:] == [("orders.order_rejected.v1", 2)]


def test_somebody_elses_order_is_unknown():
    order = a_placed_order()

    with pytest.raises(UnknownOrder):
        usecases.cancel_order(order.id, buyer_id=uuid4(), reason="not mine")
    with pytest.raises(UnknownOrder):
        queries.get_order(order.id, buyer_id=uuid4())

    assert len(published()) == 1


def test_an_order_that_newer_code_has_shipped_cannot_be_cancelled(monkeypatch):
    order = a_placed_order()
    load = queries.Order.from_db.__func__

    def shipped(cls, *args, **more):
        return _with_status(load(cls, *args, **more), "shipped")

    monkeypatch.setattr(Order, "from_db", classmethod(shipped))

    with pytest.raises(NotCancellable):
        usecases.cancel_order(order.id, buyer_id=order.buyer_id, reason="too late")

    assert len(published()) == 1


def _with_status(row, status):
    row.status = status
    return row


def test_an_order_cannot_be_changed_past_its_events():
    order = a_placed_order()
    row = Order.objects.get(id=order.id)
    row.status = "cancelled"

    with pytest.raises(UnpublishedChange):
        row.save()
    with pytest.raises(UnpublishedChange):
        Order.objects.filter(id=order.id).update(status="cancelled")
    with pytest.raises(IntegrityError), transaction.atomic(using="orders"), writing("orders"):
        connections["orders"].cursor().execute("UPDATE orders_order SET status = 'cancelled'")


def test_pages_go_from_new_to_old_without_gap_or_repeat():
    buyer_id = a_known_buyer()
    placed = [a_placed_order(buyer_id).id for _ in range(5)]
    a_placed_order()

    seen, cursor = [], None
    for _ in range(3):
        page = queries.orders_of(buyer_id, limit=2, cursor=cursor)
        seen += [order.id for order in page.items]
        cursor = page.next_cursor
        a_placed_order(buyer_id)

    assert sorted(seen) == sorted(placed)
    assert cursor is None


def test_the_newest_order_comes_first():
    buyer_id = a_known_buyer()
    first, second = a_placed_order(buyer_id), a_placed_order(buyer_id)

    items = queries.orders_of(buyer_id, limit=100).items

    expected = sorted([first, second], key=lambda order: (order.placed_at, order.id), reverse=True)
    assert list(items) == expected


@pytest.mark.parametrize(
    "cursor", ["", "x", "=", "é", "a" * 81, "MTIz", "MS4wMA", "\0", "OTk5OTk5OTk5OTk5OTk5OTk5LjAw"]
)
def test_a_cursor_that_is_none_of_ours_is_refused(cursor):
    with pytest.raises(InvalidCursor):
        queries.orders_of(uuid4(), limit=1, cursor=cursor)


def test_seeding_twice_keeps_a_price_that_an_operator_changed():
    seed()
    with writing("orders"):
        Product.objects.filter(sku="chisel").update(price_minor=1)
    seed()

    assert Product.objects.count() == len(PRICE_LIST)
    assert Product.objects.get(sku="chisel").price_minor == 1


def test_lines_cannot_be_lost_by_deleting_an_order():
    order = a_placed_order()

    with pytest.raises(UnpublishedChange):
        Order.objects.get(id=order.id).delete()

    assert OrderLine.objects.filter(order_id=order.id).exists()
