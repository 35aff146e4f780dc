"""The relay from outbox to queue, on the broker of the tier: nothing lost, nothing invented, order kept."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import defaultdict
from contextlib import suppress

import pytest
from django.apps import apps
from django.db import connections
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from fissile.data.clock import Clock
from fissile.data.unit_of_work import unit_of_work
from fissile.events.outbox import status_of
from fissile_tests.shoplet.events import BasketFilledV1

from .baskets import envelopes, fill, lane, outbox

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)


def until(condition, seconds=10.0):
    """Wait for another thread's commit; the condition is read from the database."""
    ends, pause = time.monotonic() + seconds, threading.Event()
    while not condition() and time.monotonic() < ends:
        pause.wait(0.02)
    assert condition()


def test_events_reach_the_queue_in_the_order_of_each_aggregate_and_are_marked(bound, received, relaying):
    queue = bound("shoplet")
    relaying()
    baskets = [fill(5) for _ in range(20)]

    versions = defaultdict(list)
    for envelope in envelopes(received(queue, 100)):
        versions[envelope.subject].append(envelope.aggregateversion)

    assert versions == {f"basket/{basket}": [1, 2, 3, 4, 5] for basket in baskets}
    until(lambda: not outbox().filter(sent_at=None).exists())


def test_an_event_that_was_rolled_back_is_never_published(bound, received, relaying):
    queue = bound("shoplet")
    relaying()
    with suppress(RuntimeError), unit_of_work("shoplet") as work:
        basket = apps.get_model("shoplet", "Basket")()
        work.record(basket, BasketFilledV1(basket_id=basket.id))
        raise RuntimeError
    kept = fill()

    (only,) = envelopes(received(queue, 1))

    assert only.subject == f"basket/{kept}"


def test_the_publish_is_the_child_of_the_span_that_wrote_the_row(bound, received, relaying):
    queue = bound("shoplet")
    fill()
    relaying()

    (envelope,) = envelopes(received(queue, 1))

    stored = outbox().get().headers
    assert envelope.correlationid == stored["correlationid"]
    assert trace_and_span(envelope.traceparent)[0] == trace_and_span(stored["traceparent"])[0]
    assert trace_and_span(envelope.traceparent)[1] != trace_and_span(stored["traceparent"])[1]


def test_an_event_without_any_consumer_waits_and_goes_when_one_is_bound(bound, received, relaying):
    fill()
    relaying()
    until(lambda: "no consumer is bound" in status_of("shoplet").reason)

    queue = bound("shoplet")

    assert len(received(queue, 1)) == 1
    until(lambda: outbox().get().sent_at is not None)
    assert (outbox().get().attempts, outbox().get().reason) == (0, "")


def test_a_poisonous_event_is_parked_at_last_and_its_neighbours_never_wait(bound, received, relaying):
    queue = bound("shoplet")
    fill()
    poison = outbox().get()
    outbox().filter(id=poison.id).update(type="t" * 300)
    relaying()
    healthy = fill()

    (only,) = envelopes(received(queue, 1))
    for attempt in range(1, 9):
        until(lambda attempt=attempt: outbox().get(id=poison.id).attempts >= attempt)
        outbox().filter(id=poison.id).update(next_at=Clock())

    assert only.subject == f"basket/{healthy}"
    parked = outbox().get(id=poison.id)
    assert (parked.attempts, parked.sent_at) == (8, None)
    assert parked.parked_at is not None
    assert "255 bytes" in parked.reason


def test_a_relay_killed_between_publish_and_mark_repeats_itself_with_the_same_ids(
    bound, received, relaying, broker_url
):
    queue = bound("shoplet")
    fill(3)
    name = str(connections["shoplet"].settings_dict["NAME"])

    dead = subprocess.run(
        [sys.executable, "-m", "fissile_tests.events.relay_process", name, broker_url],
        timeout=60, check=False, capture_output=True,
    )  # fmt: skip
    assert dead.returncode == -9, dead.stderr
    assert outbox().filter(sent_at=None).count() == 3
    assert lane().get().owner.startswith("doomed")
    lane().update(lease_until=Clock())
    relaying()

    ids = [envelope.id for envelope in envelopes(received(queue, 6))]
    assert sorted(ids) == sorted([row.id for row in outbox()] * 2)
    until(lambda: not outbox().filter(sent_at=None).exists())


def test_of_two_relays_one_leads_and_the_other_takes_over_at_once_when_it_stops(bound, received, relaying):
    queue = bound("shoplet")
    first, stop_first = relaying()
    until(lambda: first.leads)
    second, _ = relaying()

    fill()
    assert len(received(queue, 1)) == 1
    assert not second.leads
    stop_first()
    until(lambda: second.leads, seconds=3)
    fill()

    assert len(received(queue, 1)) == 1


def test_a_zombie_publishes_again_at_most_and_marks_nothing(bound, received, relaying):
    bound("shoplet")
    zombie, _ = relaying()
    until(lambda: zombie.leads)
    lane().update(fence=99, owner="heir", lease_until=Clock())

    fill()
    until(lambda: outbox().filter(sent_at__isnull=False).exists())

    assert lane().get().fence == 100


@pytest.mark.real
def test_a_link_that_is_cut_under_a_relay_costs_no_event_and_no_attempt(slow_link, bound, received, relaying):
    queue = bound("shoplet")
    relaying(slow_link.url)
    fill()
    assert len(received(queue, 1)) == 1
    slow_link.cut()
    baskets = {f"basket/{fill()}" for _ in range(20)}

    found = {envelope.subject for envelope in envelopes(received(queue, 20))}
    until(lambda: not outbox().filter(sent_at=None).exists())

    assert found == baskets
    assert not outbox().filter(attempts__gt=0).exists()


def trace_and_span(traceparent):
    context = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    found = trace.get_current_span(context).get_span_context()
    return found.trace_id, found.span_id
