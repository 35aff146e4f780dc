"""The relay from outbox to queue, on the broker of the tier: nothing lost, nothing invented, order kept."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from contextlib import suppress
from functools import partial

import pytest
from django.apps import apps
from django.db import connections
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from fissile import crash_points
from fissile.data.clock import Clock
from fissile.data.guard import writing
from fissile.data.unit_of_work import unit_of_work
from fissile.events.lanes import pause, resume
from fissile.events.models import LANES
from fissile.events.outbox import status_of
from fissile.events.relay import RelayLoop, core
from fissile.events.stopping import Stopping
from fissile_tests.shoplet.events import BasketFilledV1

from .baskets import envelopes, fill, lane, outbox
from .waiting import until

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)


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
    with writing("shoplet"):
        outbox().filter(id=poison.id).update(type="t" * 300)
    relaying()
    healthy = fill()

    (only,) = envelopes(received(queue, 1))
    for attempt in range(1, 9):
        until(lambda attempt=attempt: outbox().get(id=poison.id).attempts >= attempt)
        with writing("shoplet"):
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
        [sys.executable, "-m", "fissile_tests.events.relay_process", name, broker_url, "doomed"],
        timeout=60, check=False, capture_output=True,
    )  # fmt: skip
    assert dead.returncode == -9, dead.stderr
    assert outbox().filter(sent_at=None).count() == 3
    assert all(one.owner.startswith("doomed") for one in lane())
    with writing("shoplet"):
        lane().update(lease_until=Clock())
    relaying()

    ids = [envelope.id for envelope in envelopes(received(queue, 6))]
    assert sorted(ids) == sorted([row.id for row in outbox()] * 2)
    until(lambda: not outbox().filter(sent_at=None).exists())


def test_two_relays_share_the_lanes_and_one_takes_the_others_over_when_it_stops(bound, received, relaying):
    queue = bound("shoplet")
    first, stop_first = relaying()
    until(lambda: len(first.lanes) == LANES)
    second, _ = relaying()
    until(lambda: (len(first.lanes), len(second.lanes)) == (8, 8))

    baskets = {f"basket/{fill()}" for _ in range(40)}
    assert {envelope.subject for envelope in envelopes(received(queue, 40))} == baskets
    stop_first()
    assert set(lane().values_list("owner", flat=True)) <= {"", second.owner}, "it gives its lanes back as it stops"
    until(lambda: len(second.lanes) == LANES)
    fill()

    assert len(received(queue, 1)) == 1


def test_a_relay_that_stands_by_leaves_every_lane_to_another_and_takes_them_when_that_stops(relaying):
    standby, _ = relaying(stands_by=True)
    until(lambda: len(standby.lanes) == LANES)

    worker, stop_worker = relaying()
    until(lambda: len(worker.lanes) == LANES)
    assert not standby.leads
    stop_worker()

    until(lambda: len(standby.lanes) == LANES)


def test_a_zombie_publishes_again_at_most_and_marks_nothing(bound, received, relaying):
    bound("shoplet")
    zombie, _ = relaying()
    until(lambda: zombie.leads)
    with writing("shoplet"):
        lane().update(fence=99, owner="heir", lease_until=Clock())

    fill()
    until(lambda: outbox().filter(sent_at__isnull=False).exists())

    assert lane().get(lane=outbox().get().lane).fence == 100


def test_events_of_a_paused_lane_wait_and_go_when_it_is_resumed(bound, received, relaying):
    queue = bound("shoplet")
    relay, _ = relaying()
    until(lambda: relay.leads)
    pause("shoplet", reason="the far side asked for it", operator="rosa")
    until(lambda: not relay.leads)

    fill()
    assert outbox().filter(sent_at=None).count() == 1
    resume("shoplet", reason="it is over", operator="rosa")

    assert len(received(queue, 1)) == 1


def small_batches(monkeypatch, rows):
    monkeypatch.setattr(core, "WINDOW", rows)
    monkeypatch.setattr(core, "Relay", partial(core.Relay, window=rows))


@pytest.fixture
def on_passing():
    """Have something done when a relay passes a crash point."""
    yield lambda point, do: crash_points.arm(lambda passed: do() if passed == point else None)
    crash_points.arm(None)


def test_a_relay_that_is_asked_to_stop_marks_what_is_in_flight_and_begins_nothing(
    bound, received, broker_url, on_passing, monkeypatch
):
    small_batches(monkeypatch, 4)
    queue = bound("shoplet")
    for _ in range(12):
        fill()
    stopping = Stopping()
    on_passing("relay.confirmed_unmarked", stopping.ask)

    RelayLoop("shoplet", broker_url).run(stopping)

    sent = set(outbox().filter(sent_at__isnull=False).values_list("id", flat=True))
    assert {envelope.id for envelope in envelopes(received(queue, 12))} == sent
    assert len(sent) == 4
    assert {one.owner for one in lane()} == {""}


def test_a_backlog_of_many_batches_leaves_once_and_in_order(bound, received, relaying, monkeypatch):
    small_batches(monkeypatch, 7)
    queue = bound("shoplet")
    baskets = [fill(9) for _ in range(12)]
    relaying()

    versions = defaultdict(list)
    for envelope in envelopes(received(queue, 108)):
        versions[envelope.subject].append(envelope.aggregateversion)

    assert versions == {f"basket/{basket}": list(range(1, 10)) for basket in baskets}
    until(lambda: not outbox().filter(sent_at=None).exists())


@pytest.mark.real
def test_a_link_that_is_cut_under_a_relay_costs_no_event_and_no_attempt(slow_link, bound, received, relaying):
    queue = bound("shoplet")
    relaying(slow_link.url)
    fill()
    assert len(received(queue, 1)) == 1
    # A confirm that the cut swallows would rightly bring this one a second time.
    until(lambda: not outbox().filter(sent_at=None).exists())
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
