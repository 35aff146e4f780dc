"""A broker of the tier under test, queues that are gone afterwards, a relay in a thread, a slow link."""

from __future__ import annotations

import threading
from uuid import uuid4

import kombu
import pytest
from django.conf import settings
from django.db import connections

from fissile.events import bus
from fissile.events.bus import topology
from fissile.events.relay import RelayLoop
from fissile.events.stopping import Stopping

from .slow_link import SlowLink


@pytest.fixture
def broker_url(tmp_path):
    """RabbitMQ on the real tier, else a bus file of this test alone."""
    if settings.FISSILE["tier"] == "real":
        return settings.FISSILE["broker_urls"]["shoplet"]
    return f"sqlitebus:///{tmp_path}/bus.sqlite3"


@pytest.fixture
def bound(broker_url):
    """Bind a new queue to an exchange, by a pattern; all of them are deleted afterwards."""
    made = []

    def bind(exchange, pattern="#", **arguments):
        name = f"test.{uuid4().hex}"
        with topology.connect(broker_url) as connection, connection.channel() as channel:
            queue = kombu.Queue(name, topology.exchange(exchange), pattern, queue_arguments=arguments or None)
            queue(channel).declare()
        made.append(name)
        return name

    yield bind
    with topology.connect(broker_url) as connection, connection.channel() as channel:
        for name in made:
            channel.queue_delete(name)


@pytest.fixture
def queue(broker_url):
    """A queue of this test, bound to the depot's stream."""
    name = f"test.{uuid4().hex}"
    bus.declare(broker_url, ("depot",), ((name, "depot"),))
    yield name
    with topology.connect(broker_url) as connection, connection.channel() as channel:
        channel.queue_delete(name)


@pytest.fixture
def received(broker_url):
    """Take `count` messages from a queue, waiting at most ten seconds."""

    def take(queue, count):
        consumer, found = bus.open_consumer(broker_url, queue, 500), []
        try:
            for _ in range(100):
                batch = consumer.receive(0.1, 500)
                consumer.ack(batch)
                found += batch
                if len(found) >= count:
                    break
        finally:
            consumer.close()
        return found

    return take


@pytest.fixture
def relaying(broker_url):
    """Start a relay of shoplet in a thread, as the worker does; it ends with the test."""
    running = []
    # A broker outlives the runs: what an earlier one left bound must not route here.
    with topology.connect(broker_url) as connection, connection.channel() as channel:
        channel.exchange_delete("shoplet")

    def start(url=broker_url, *, stands_by=False):
        loop, stopping = RelayLoop("shoplet", url, name="test", stands_by=stands_by), Stopping()

        def run():
            loop.run(stopping)
            connections.close_all()

        thread = threading.Thread(target=run)
        thread.start()

        def stop():
            stopping.ask()
            thread.join(10)
            assert not thread.is_alive()

        running.append(stop)
        return loop, stop

    yield start
    for stop in running:
        stop()


@pytest.fixture
def slow_link():
    """A TCP link to RabbitMQ that a test can hold up or fill with heartbeats."""
    link = SlowLink(settings.FISSILE["broker_urls"]["shoplet"])
    yield link
    link.close()
