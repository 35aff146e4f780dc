"""The consuming loop on a real broker and a real database, with threads, processes and kill -9."""

from __future__ import annotations

import json
import logging
import os
import random
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from uuid import uuid4

import pytest
from django.db import connections

from fissile.events import bus
from fissile.events.bus import topology
from fissile.events.inbox import ConsumeLoop, Isolation
from fissile.events.inbox.core import ATTEMPTS
from fissile.messages import encode_envelope
from fissile_tests.shoplet import projections

from .parcels import (
    EAR,
    TRACE,
    Ear,
    envelope,
    heard,
    inbox,
    lapse,
    parked_rows_that_are_not_heads,
    rows_of,
    stream,
    versions_heard,
)

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)
PATIENCE_SECONDS = 180


@pytest.fixture
def publish(broker_url, queue):
    """Publish envelopes, or bare bytes, to the depot's exchange."""
    publisher = bus.open_publisher(broker_url, "depot")

    def send(*messages):
        batch = [
            bus.Outgoing(id=str(uuid4()), routing_key="depot.parcel_packed.v1", body=message)
            if isinstance(message, bytes)
            else bus.Outgoing(id=str(message.id), routing_key=message.type, body=encode_envelope(message))
            for message in messages
        ]
        verdicts = publisher.publish(batch, deadline_seconds=10)
        assert not verdicts.refused
        assert not verdicts.returned

    yield send
    publisher.close()


def until(condition):
    """Return a stop that says yes when the condition holds; fail when patience ends."""
    ends = time.monotonic() + PATIENCE_SECONDS

    def stop():
        if time.monotonic() > ends:
            raise AssertionError("patience ended")
        return bool(condition())

    return stop


def all_applied(count):
    return lambda: inbox().filter(state="applied").count() >= count


def run(queue, broker_url, condition):
    loop = ConsumeLoop("shoplet", EAR, queue, broker_url, Isolation())
    loop.run(until(condition))
    return loop


def shuffled_with_repetitions(streams, seed=1):
    chance = random.Random(seed)
    messages = [message for one in streams for message in one]
    deliveries = messages + chance.choices(messages, k=len(messages) // 2)
    chance.shuffle(deliveries)
    return deliveries


def assert_each_effect_once_in_order(streams):
    assert len(heard()) == sum(map(len, streams))
    for one in streams:
        assert versions_heard(one[0].subject) == [message.aggregateversion for message in one]


def test_a_stream_from_the_broker_is_applied_and_acknowledged(queue, publish, broker_url, received):
    messages = stream(length=5)
    publish(*messages)

    loop = run(queue, broker_url, all_applied(5))

    assert_each_effect_once_in_order([messages])
    assert loop.counts["handled"] == 5
    assert inbox().first().message_id == messages[0].id


@pytest.mark.real
def test_a_consumer_that_is_there_before_its_source_says_so_and_waits(broker_url, queue, caplog):
    with topology.connect(broker_url) as connection, connection.channel() as channel:
        channel.exchange_delete("depot")
    (message,) = stream(length=1)
    outgoing = bus.Outgoing(id=str(message.id), routing_key=message.type, body=encode_envelope(message))
    publishers, confirmed = [], set()

    def the_source_comes_late_and_is_heard():
        if not publishers and "waits for its source: the exchange of depot is not there yet" in caplog.text:
            publishers.append(bus.open_publisher(broker_url, "depot"))
        elif publishers and not confirmed:
            confirmed.update(publishers[0].publish([outgoing], deadline_seconds=10).confirmed)
        return all_applied(1)()

    with caplog.at_level(logging.WARNING):
        run(queue, broker_url, the_source_comes_late_and_is_heard)
    publishers[0].close()

    assert confirmed == {str(message.id)}
    assert versions_heard(message.subject) == [1]


def test_what_was_acknowledged_does_not_come_again(queue, publish, broker_url):
    publish(*stream(length=5))
    run(queue, broker_url, all_applied(5))
    publish(*stream(length=1))

    second = run(queue, broker_url, all_applied(6))

    assert second.counts["duplicate"] == 0


def test_strange_bytes_on_the_queue_stop_nobody(queue, publish, broker_url):
    messages = stream(length=2)
    publish(b"\x80\x04\x95", messages[0], b"{" * 5000, messages[1])

    run(queue, broker_url, all_applied(2))

    assert inbox().filter(state="parked", type="undecodable").count() == 2


def test_a_failing_message_is_parked_by_itself_within_seconds(queue, publish, broker_url):
    bad, good = stream(length=1, note="raise"), stream(length=2)
    publish(*bad, *good)

    loop = run(queue, broker_url, lambda: inbox().filter(state="parked").exists())

    assert loop.handler_seconds() == 0, "a handler that has raised keeps nobody"
    assert_each_effect_once_in_order([good])


def test_two_threads_settle_a_shuffled_stream_exactly_once_in_order(queue, publish, broker_url):
    streams = [stream(length=6) for _ in range(20)]
    publish(*shuffled_with_repetitions(streams))
    stop, failures = until(all_applied(120)), []

    def consume():
        try:
            ConsumeLoop("shoplet", EAR, queue, broker_url, Isolation()).run(stop)
        except BaseException as wrong:  # noqa: BLE001 - told to the test
            failures.append(wrong)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=consume) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert failures == []
    assert_each_effect_once_in_order(streams)


def test_a_stop_leaves_the_rest_to_the_next_process(queue, publish, broker_url):
    streams = [stream(length=1) for _ in range(120)]
    publish(*(message for one in streams for message in one))

    run(queue, broker_url, all_applied(1))
    assert len(heard()) < 120
    run(queue, broker_url, all_applied(120))

    assert_each_effect_once_in_order(streams)


def test_a_loop_can_be_relieved_unless_its_handlers_hold_the_whole_database(broker_url):
    loop = ConsumeLoop("shoplet", EAR, "nowhere", broker_url, Isolation())

    assert loop.can_be_relieved() == (connections["shoplet"].vendor == "postgresql")


def test_an_idle_loop_sees_its_stop_within_half_a_second_or_so(queue, broker_url):
    stopped_at = time.monotonic() + 1.0
    ConsumeLoop("shoplet", EAR, queue, broker_url, Isolation()).run(lambda: time.monotonic() > stopped_at)

    assert time.monotonic() - stopped_at < 1.0


def test_rows_are_swept_while_the_broker_is_away():
    Ear().store(*stream(length=3))

    run("nowhere", "amqp://guest:guest@127.0.0.1:1//", all_applied(3))

    assert [version for _, version in heard()] == [1, 2, 3]


def test_a_database_that_hangs_up_costs_nothing_but_a_redelivery(queue, publish, broker_url, monkeypatch):
    if connections["shoplet"].vendor == "sqlite":
        pytest.skip("SQLite has no connection to lose")
    hear, hung_up = projections.hear, []

    def lose(message, note):
        hear(message, note)
        if not hung_up:
            hung_up.append(True)
            with connections["shoplet"].cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(projections, "hear", lose)
    messages = stream(length=3)
    publish(*messages)

    run(queue, broker_url, all_applied(3))

    assert hung_up
    assert_each_effect_once_in_order([messages])
    assert set(inbox().values_list("attempts", flat=True)) == {1}


def test_an_applied_event_is_logged_with_its_correlation_and_trace(queue, publish, broker_url, caplog):
    message = envelope(uuid4(), 1)
    publish(message)

    with caplog.at_level(logging.INFO, logger="fissile.events.inbox"):
        run(queue, broker_url, all_applied(1))

    (line,) = [record for record in caplog.records if "applied depot.parcel_packed.v1" in record.getMessage()]
    assert (line.correlation_id, line.trace_id) == (message.correlationid, TRACE)


@contextmanager
def processes(queue, broker_url, tmp_path, state_dir=None):
    """Yield a function that starts consuming processes; all of them are gone afterwards."""
    given = {
        "queue": queue,
        "broker_url": broker_url,
        "database": str(connections["shoplet"].settings_dict["NAME"]),
        "seconds": 30.0,
        "state_dir": state_dir and str(state_dir),
    }
    started = []

    def start():
        with (tmp_path / f"consumer-{len(started)}.log").open("w") as log:
            command = [sys.executable, "-m", "fissile_tests.events.consuming_process", json.dumps(given)]
            started.append(subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": PATH}))
        return started[-1]

    try:
        yield start
    finally:
        for process in started:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()


PATH = os.pathsep.join(sys.path)


def wait(condition):
    """Wait for a condition, a blink at a time."""
    stop = until(condition)
    while not stop():
        threading.Event().wait(0.02)


def test_processes_killed_again_and_again_lose_nothing_and_repeat_nothing(queue, publish, broker_url, tmp_path):
    streams = [stream(length=6) for _ in range(50)]
    deliveries = shuffled_with_repetitions(streams)
    with processes(queue, broker_url, tmp_path) as start:
        running = [start(), start()]
        for kill in range(5):
            publish(*deliveries[kill * 90 : (kill + 1) * 90])
            known = inbox().count()
            wait(lambda known=known: inbox().count() > known)
            victim = running.pop(0)
            victim.kill()
            victim.wait()
            running.append(start())
        # The last victim's lease runs out by itself: ten seconds.
        wait(all_applied(300))

    assert_each_effect_once_in_order(streams)
    assert not inbox().filter(state="parked").exists()


@pytest.mark.parametrize(("is_elsewhere", "cost"), [(False, (1, ATTEMPTS)), (True, (2, ATTEMPTS - 1))])
def test_a_killer_costs_one_worker_or_two_if_the_next_is_elsewhere_and_is_then_tried_in_processes_of_its_own(
    queue, publish, broker_url, tmp_path, is_elsewhere, cost
):
    killer, good, deaths = stream(length=1, note="kill"), [stream(length=2) for _ in range(3)], 0
    publish(*killer, *(message for one in good for message in one))
    with processes(queue, broker_url, tmp_path, None if is_elsewhere else tmp_path / "state") as start:
        running, children = start(), 0

        def parked():
            nonlocal running, deaths, children
            ended = "".join(path.read_text() for path in tmp_path.glob("*.log")).count("was killed by SIGKILL")
            if running.poll() is not None:
                deaths += 1
                lapse(attempts=0)
                running = start()
            if ended > children:
                children = ended
                lapse()
            return inbox().filter(state="parked").exists()

        wait(parked)
        wait(all_applied(6))

    assert (deaths, children) == cost
    assert "never came back" in inbox().get(state="parked").reason
    assert_each_effect_once_in_order(good)
    assert not parked_rows_that_are_not_heads()
    assert rows_of("ShopletPosition").get(aggregate=killer[0].subject).applied_version == 0
