"""The outbox row: written with the change, carrying what the publish will need."""

from __future__ import annotations

import json
from contextlib import suppress
from io import StringIO

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import transaction
from django.db.utils import IntegrityError
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from fissile import carry
from fissile.data.guard import writing
from fissile.data.unit_of_work import unit_of_work
from fissile.events.models import LANES, lane_of
from fissile.events.outbox import status_of
from fissile.watch import tracing
from fissile_tests.shoplet.events import BasketFilledV1

from .baskets import fill, outbox

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)


def test_a_change_that_is_rolled_back_leaves_no_event():
    with suppress(RuntimeError), unit_of_work("shoplet") as work:
        basket = apps.get_model("shoplet", "Basket")()
        work.record(basket, BasketFilledV1(basket_id=basket.id))
        raise RuntimeError

    assert not outbox().exists()


def test_events_of_one_basket_are_numbered_from_one():
    basket = fill(3)

    assert [(f"basket/{basket}", version) for version in (1, 2, 3)] == [
        (row.aggregate, row.version) for row in outbox().order_by("seq")
    ]


def test_a_version_cannot_be_used_twice():
    fill()
    (row,) = outbox()
    row.pk, row.id = None, apps.get_model("shoplet", "Basket")().id

    with pytest.raises(IntegrityError), transaction.atomic(using="shoplet"), writing("shoplet"):
        row.save(force_insert=True)


def test_a_row_carries_correlation_and_the_trace_of_its_own_span():
    with tracing.span("test") as parent, carry.using(correlation_id="c-1", causation_id="m-1"):
        fill()

    (row,) = outbox()
    stored = trace.get_current_span(TraceContextTextMapPropagator().extract(row.headers)).get_span_context()
    assert (row.headers["correlationid"], row.headers["causationid"]) == ("c-1", "m-1")
    assert stored.trace_id == parent.get_span_context().trace_id
    assert stored.span_id != parent.get_span_context().span_id


def test_a_lane_depends_on_the_aggregate_alone():
    assert lane_of("basket/1") == lane_of("basket/1")
    assert len({lane_of(f"basket/{number}") for number in range(500)}) == LANES


def test_status_counts_what_waits_and_how_long():
    fill(2)

    found = status_of("shoplet")

    assert (found.pending, found.parked, found.sent, found.owners) == (2, 0, 0, {})
    assert found.oldest_seconds is not None
    assert 0 <= found.oldest_seconds < 60


@pytest.mark.django_db(databases=settings.FISSILE["contexts"], transaction=True)
def test_the_outbox_command_speaks_json():
    fill()
    out = StringIO()

    call_command("outbox", "status", "--json", stdout=out)

    found = {one["context"]: one for one in json.loads(out.getvalue())["data"]}
    assert found["shoplet"]["pending"] == 1
    assert "orders" in found
