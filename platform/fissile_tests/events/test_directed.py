"""Commands, requests and replies through outbox, relay, broker and inbox of the tier: to one, and back to who asked."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from uuid import uuid4

import pytest
from django.db import connections

from fissile.contexts import registry
from fissile.data.unit_of_work import unit_of_work
from fissile.events import bus
from fissile.events.bus import topology
from fissile.events.inbox import ConsumeLoop, Isolation
from fissile.messages import encode_envelope
from fissile_tests.shoplet.wishes import CountBasketsV1, FillBasketV1, SendParcelV1

from .baskets import envelopes, fill, outbox
from .directed import RECEIVER, ask_for_weight, command_of_depot, in_seconds, reply_of_depot
from .parcels import inbox, rows_of
from .waiting import until

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)
TO_DEPOT, TO_SHOPLET = "shoplet.to-depot", "depot.to-shoplet"


@pytest.fixture
def to_depot(broker_url):
    """The one queue of what shoplet says to depot alone, as depot declares it."""
    yield from _declared(broker_url, TO_DEPOT)


@pytest.fixture
def to_shoplet(broker_url):
    """The one queue of what depot says to shoplet alone."""
    yield from _declared(broker_url, TO_SHOPLET)


def _declared(broker_url, exchange):
    # A broker outlives the runs: what an earlier one left bound must not route here.
    with topology.connect(broker_url) as connection, connection.channel() as channel:
        channel.exchange_delete(exchange)
    name = f"test.{uuid4().hex}"
    bus.declare(broker_url, (exchange,), ((name, exchange),))
    yield name
    with topology.connect(broker_url) as connection, connection.channel() as channel:
        channel.queue_delete(name)


@pytest.fixture
def say(broker_url):
    """Publish messages of depot's to shoplet alone."""
    publisher = bus.open_publisher(broker_url, "depot", TO_SHOPLET)

    def send(*messages):
        batch = [
            bus.Outgoing(id=str(one.id), routing_key=one.type, body=encode_envelope(one), exchange=TO_SHOPLET)
            for one in messages
        ]
        assert publisher.publish(batch, deadline_seconds=10).confirmed == {one.id for one in batch}

    yield send
    publisher.close()


@contextmanager
def receiving(queue, broker_url, how_many=1):
    """Run shoplet's receiver in threads, for a while."""
    ended = threading.Event()

    def run():
        ConsumeLoop("shoplet", RECEIVER, queue, broker_url, Isolation()).run(ended.is_set)
        connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(how_many)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(10)


def send_parcel():
    with unit_of_work("shoplet") as work:
        return work.send(SendParcelV1(parcel_id=uuid4()))


def notes():
    return sorted(rows_of("Heard").values_list("note", flat=True))


def test_the_exchanges_and_queues_of_what_is_said_to_one_bear_their_owners_names():
    found = bus.topology_of([registry.get("shoplet")])

    assert found.exchanges == ("shoplet", TO_DEPOT)
    assert found.queues == (("shoplet.depot", "depot"), (RECEIVER, TO_SHOPLET))


def test_a_command_reaches_the_one_queue_of_its_receiver_and_no_hearer_of_events(bound, to_depot, received, relaying):
    everybody = bound("shoplet")
    relaying()
    command = send_parcel()
    basket = fill()
    until(lambda: not outbox().filter(sent_at=None).exists())

    (heard,) = envelopes(received(everybody, 1))
    (taken,) = envelopes(received(to_depot, 1))

    assert heard.subject == f"basket/{basket}"
    assert (taken.id, taken.subject, taken.aggregateversion) == (command, f"command/{command}", 1)


def test_a_command_without_a_receiver_holds_no_event_up_and_goes_once_there_is_one(
    broker_url, bound, received, relaying
):
    with topology.connect(broker_url) as connection, connection.channel() as channel:
        channel.exchange_delete(TO_DEPOT)
    everybody = bound("shoplet")
    command = send_parcel()
    relaying()
    until(lambda: f"no receiver is bound to exchange {TO_DEPOT}" in outbox().get(id=command).reason)

    baskets = [fill() for _ in range(3)]

    assert len(received(everybody, len(baskets))) == len(baskets)
    assert outbox().get(id=command).sent_at is None
    queue = bound(TO_DEPOT)
    assert [one.id for one in envelopes(received(queue, 1))] == [command]


def test_two_processes_that_share_a_receivers_queue_carry_each_command_out_once(broker_url, to_shoplet, say):
    commands = [command_of_depot(FillBasketV1(things=1)) for _ in range(20)]

    with receiving(to_shoplet, broker_url, how_many=2):
        for command in commands:
            say(command, command)
        until(lambda: inbox().filter(consumer=RECEIVER, state="applied").count() == len(commands))

    assert notes() == ["filled"] * len(commands)
    assert rows_of("Basket").count() == len(commands)


def test_a_request_is_answered_to_the_one_who_asked(broker_url, bound, to_depot, to_shoplet, say, received, relaying):
    everybody = bound("shoplet")
    relaying()
    request = command_of_depot(CountBasketsV1(answer_by=in_seconds(60)))

    with receiving(to_shoplet, broker_url):
        say(request)
        (reply,) = envelopes(received(to_depot, 1))

    assert (reply.type, reply.data) == ("shoplet.baskets_counted.v1", {"baskets": 0})
    assert (reply.causationid, reply.correlationid) == (str(request.id), request.correlationid)
    fill()
    assert [one.type for one in envelopes(received(everybody, 1))] == ["shoplet.basket_filled.v1"]


def test_a_reply_comes_back_through_the_broker_to_the_handler_of_the_asker(
    broker_url, to_depot, to_shoplet, say, received, relaying
):
    relaying()
    ask_for_weight()

    with receiving(to_shoplet, broker_url):
        (request,) = envelopes(received(to_depot, 1))
        say(reply_of_depot(request.id))
        until(lambda: notes() == ["500 g"])


def test_a_reply_that_waited_in_the_queue_past_its_time_is_dropped(
    broker_url, to_depot, to_shoplet, say, received, relaying
):
    relaying()
    ask_for_weight(seconds=0)
    (request,) = envelopes(received(to_depot, 1))
    say(reply_of_depot(request.id))

    with receiving(to_shoplet, broker_url):
        until(lambda: inbox().filter(consumer=RECEIVER, reason="late reply").exists())

    assert notes() == []
