"""The bus: verdicts belong to their messages, whatever the link does; the same words on both brokers."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest

from fissile.contexts import Context
from fissile.events import bus
from fissile.events.bus import topology

pytestmark = pytest.mark.broker


def messages(count, key="shoplet.basket_filled.v1"):
    return [bus.Outgoing(id=f"m{number}", routing_key=key, body=b'{"n": 1}') for number in range(count)]


@pytest.fixture
def exchange(broker_url):
    """An exchange of this test alone: what another test left bound must not route here."""
    name = f"test-{uuid4().hex}"
    yield name
    with topology.connect(broker_url) as connection, connection.channel() as channel:
        channel.exchange_delete(name)


@pytest.fixture
def publisher(broker_url, exchange):
    made = bus.open_publisher(broker_url, exchange)
    yield made
    made.close()


def test_a_batch_is_confirmed_message_by_message_and_arrives_in_order(publisher, bound, received, exchange):
    queue = bound(exchange)

    verdicts = publisher.publish(messages(250), deadline_seconds=5)

    assert {f"m{number}" for number in range(250)} == verdicts.confirmed
    assert [f"m{number}" for number in range(250)] == [one.message_id for one in received(queue, 250)]


def test_a_message_without_a_queue_is_returned_and_its_neighbours_are_confirmed(publisher, bound, exchange):
    bound(exchange, "wanted.#")
    batch = [
        bus.Outgoing(id=f"m{number}", routing_key="wanted.a" if number % 2 else "unwanted.a", body=b"{}")
        for number in range(30)
    ]

    verdicts = publisher.publish(batch, deadline_seconds=5)

    assert {f"m{number}" for number in range(0, 30, 2)} == set(verdicts.returned)
    assert {f"m{number}" for number in range(1, 30, 2)} == verdicts.confirmed


def test_a_message_that_was_not_acknowledged_comes_back_flagged(publisher, bound, broker_url, exchange):
    queue = bound(exchange, **quorum(broker_url))
    publisher.publish(messages(1), deadline_seconds=5)

    first = bus.open_consumer(broker_url, queue, 10)
    (delivery,) = wait_for(first)
    first.close()
    second = bus.open_consumer(broker_url, queue, 10)
    (again,) = wait_for(second)
    second.ack([again])
    second.close()

    assert (delivery.redelivered, again.redelivered) == (False, True)
    third = bus.open_consumer(broker_url, queue, 10)
    assert third.receive(0.1, 10) == []
    third.close()


def test_a_limit_leaves_the_rest_for_the_next_call(publisher, bound, broker_url, exchange):
    queue = bound(exchange)
    publisher.publish(messages(30), deadline_seconds=5)
    consumer = bus.open_consumer(broker_url, queue, 100)

    found = []
    while len(found) < 30 and (batch := consumer.receive(5, 7)):
        assert len(batch) <= 7
        consumer.ack(batch)
        found += batch
    consumer.close()

    assert [f"m{number}" for number in range(30)] == [one.message_id for one in found]


def test_what_is_declared_twice_is_there_once(broker_url, received, publisher, exchange):
    queues = [(f"declared.{exchange}", exchange)]
    bus.declare(broker_url, [exchange], queues)
    bus.declare(broker_url, [exchange], queues)
    try:
        publisher.publish(messages(2), deadline_seconds=5)
        assert [one.message_id for one in received(f"declared.{exchange}", 2)] == ["m0", "m1"]
    finally:
        with topology.connect(broker_url) as connection, connection.channel() as channel:
            channel.queue_delete(f"declared.{exchange}")


def test_a_broker_that_is_not_there_breaks_the_publisher_at_once(tmp_path):
    (tmp_path / "not-a-folder").write_text("")
    for url in ("amqp://guest:guest@127.0.0.1:1//", f"sqlitebus:///{tmp_path}/not-a-folder/bus.sqlite3"):
        with pytest.raises(bus.PublishBroken):
            bus.open_publisher(url, "test-bus")


def test_topology_follows_from_what_contexts_say_of_themselves():
    depot = Context(name="depot", package="x", publishes=("depot.sent.v1",))
    shop = Context(name="shop", package="x", consumes=("depot.sent.v1", "users.renamed.v1"))

    found = bus.topology_of([depot, shop])

    assert found.exchanges == ("depot",), "an exchange is its owner's to declare"
    assert found.queues == (("shop.depot", "depot"), ("shop.users", "users"))


def test_dead_letters_stay_with_the_context_whose_queue_gave_them_up():
    assert topology.dead_letters_of("shop.users") == "shop.dead-letters"


@pytest.mark.real
def test_a_queue_whose_source_is_not_there_yet_hinders_no_other(broker_url, exchange):
    made = f"early.{exchange}"
    try:
        with pytest.raises(bus.SourceMissing, match="the exchange of nobody-yet is not there yet"):
            bus.declare(broker_url, [exchange], [("early.never", "nobody-yet"), (made, exchange)])

        with topology.connect(broker_url) as connection, connection.channel() as channel:
            assert channel.queue_declare(made, passive=True).queue == made
    finally:
        with topology.connect(broker_url) as connection, connection.channel() as channel:
            channel.queue_delete(made)
            channel.queue_delete("early.never")


@pytest.mark.real
def test_a_delayed_confirm_is_credited_to_its_own_message(slow_link, bound, exchange):
    bound(exchange)
    publisher = bus.open_publisher(slow_link.url, exchange)
    slow_link.delay_seconds = 0.2
    first, second = messages(5), [bus.Outgoing(id="late", routing_key="a.b", body=b"{}")]

    assert {one.id for one in first} == publisher.publish(first, deadline_seconds=4).confirmed
    assert {"late"} == publisher.publish(second, deadline_seconds=4).confirmed
    publisher.close()


@pytest.mark.real
@pytest.mark.parametrize("mode", ["hold", "trickle"])
def test_a_peer_that_confirms_nothing_meets_the_deadline_even_if_it_sends_heartbeats(mode, slow_link, bound, exchange):
    bound(exchange)
    publisher = bus.open_publisher(slow_link.url, exchange)
    slow_link.mode = mode
    began = time.monotonic()

    with pytest.raises(bus.PublishBroken) as broken:
        publisher.publish(messages(20), deadline_seconds=0.6)
    publisher.close()

    assert 0.5 < time.monotonic() - began < 2.5
    assert set() == broken.value.verdicts.confirmed
    assert not broken.value.blames_message


@pytest.mark.real
def test_a_full_queue_refuses_and_the_refused_are_known_by_name(publisher, bound, received, exchange):
    full = {"x-max-length": 1, "x-overflow": "reject-publish"}
    queue = bound(exchange, **full)

    verdicts = publisher.publish(messages(20), deadline_seconds=5)

    assert verdicts.refused
    assert {f"m{number}" for number in range(20)} == verdicts.confirmed | set(verdicts.refused)
    assert verdicts.confirmed == {one.message_id for one in received(queue, len(verdicts.confirmed))}


@pytest.mark.real
def test_a_message_that_cannot_be_put_on_the_wire_is_blamed(publisher, bound, exchange):
    bound(exchange)

    with pytest.raises(bus.PublishBroken) as broken:
        publisher.publish(messages(1, key="k" * 300), deadline_seconds=5)

    assert broken.value.blames_message


def quorum(broker_url):
    return {} if bus.is_embedded(broker_url) else {"x-queue-type": "quorum"}


def wait_for(consumer):
    return consumer.receive(5, 10)
