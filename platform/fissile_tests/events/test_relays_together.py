"""Several relays on one outbox, on the stores of the tier: lanes balance, no event is lost, order holds."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import defaultdict
from itertools import pairwise

import pytest
from django.db import connections

from fissile.data.guard import writing
from fissile.events import bus
from fissile.events.models import LANES, lane_of

from .baskets import envelopes, lane, outbox
from .waiting import until

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)
AGGREGATES = 50
EVENTS = 2000


def record(events, *, after=0):
    """Insert the next `events` of all aggregates, in turn."""
    model = outbox().model
    per_aggregate = events // AGGREGATES
    aggregates = [f"basket/{number}" for number in range(AGGREGATES)]
    with writing("shoplet"):
        outbox().bulk_create(
            model(
                aggregate=aggregate,
                version=after // AGGREGATES + version,
                lane=lane_of(aggregate),
                type="shoplet.basket_filled.v1",
                payload={},
                headers={},
            )
            for version in range(1, per_aggregate + 1)
            for aggregate in aggregates
        )


def everything(broker_url, queue, *, seconds=60.0):
    """Return what arrives until every row is marked and the queue is empty, as versions by aggregate."""
    consumer, found, ends = bus.open_consumer(broker_url, queue, 500), defaultdict(list), time.monotonic() + seconds
    try:
        while time.monotonic() < ends:
            is_sent = not outbox().filter(sent_at=None).exists()
            batch = consumer.receive(0.2, 500)
            consumer.ack(batch)
            for envelope in envelopes(batch):
                found[envelope.subject].append(envelope.aggregateversion)
            if is_sent and not batch:
                break
    finally:
        consumer.close()
    assert not outbox().filter(sent_at=None).exists()
    return found


def assert_whole_and_in_order(found):
    """Check that every version arrived, and that the order broke only where a lane had a new owner."""
    fences = dict(lane().values_list("lane", "fence"))
    assert set(found) == {f"basket/{number}" for number in range(AGGREGATES)}
    for aggregate, versions in found.items():
        assert sorted(set(versions)) == list(range(1, EVENTS // AGGREGATES + 1))
        steps_back = sum(later <= earlier for earlier, later in pairwise(versions))
        assert steps_back < fences[lane_of(aggregate)], f"{aggregate}: {versions}"


def test_three_relays_share_the_lanes_while_they_send_and_every_event_arrives_in_order(bound, relaying, broker_url):
    queue = bound("shoplet")
    loops = []
    for part in range(4):
        record(EVENTS // 4, after=part * EVENTS // 4)
        if part < 3:
            loop, _ = relaying()
            until(lambda loop=loop: loop.leads)
            loops.append(loop)

    found = everything(broker_url, queue)

    assert_whole_and_in_order(found)
    until(lambda: sorted(len(loop.lanes) for loop in loops) == [5, 5, 6], 30)
    assert sorted(number for loop in loops for number in loop.lanes) == list(range(LANES))


@pytest.mark.real
def test_a_relay_that_slept_past_its_lease_marks_nothing_and_nothing_is_lost(bound, relaying, broker_url):
    queue = bound("shoplet")
    record(EVENTS)
    database = str(connections["shoplet"].settings_dict["NAME"])
    sleeper = subprocess.Popen(
        [sys.executable, "-m", "fissile_tests.events.relay_process", database, broker_url, "sleeper"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        until(lambda: "State:\tT" in status_of_process(sleeper.pid), 30)
        assert lane().filter(owner__startswith="sleeper").count() == LANES
        relaying()
        relaying()
        found = everything(broker_url, queue)
        marked = dict(outbox().values_list("id", "sent_at"))

        sleeper.send_signal(signal.SIGCONT)
        told = json.loads(sleeper.stdout.readline())

        assert told["sent"] > 0
        assert told["lost"] == told["lanes"]
        assert_whole_and_in_order(found)
        assert sum(map(len, found.values())) >= EVENTS + told["sent"]
        assert dict(outbox().values_list("id", "sent_at")) == marked
        until(lambda: lane().filter(owner__startswith="sleeper").count() in (5, 6), 30)
    finally:
        sleeper.kill()
        sleeper.communicate()


def status_of_process(pid):
    """Return Linux's account of a process."""
    with open(f"/proc/{pid}/status") as status:
        return status.read()
