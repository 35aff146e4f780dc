"""A consumer whose handler takes long: another thread takes over, and what the handler did counts once."""

from __future__ import annotations

import logging
import threading
import time

import pytest
from django.db import connections

from fissile.events import bus, relief, threads
from fissile.events.inbox import ConsumeLoop, Isolation
from fissile.events.relief import MOST_RELIEVED, Relieved
from fissile.messages import encode_envelope
from fissile_tests.shoplet import projections

from .parcels import EAR, heard, inbox, stream, versions_heard

PATIENCE_SECONDS = 120.0


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Whatever takes longer than a blink takes long."""
    monkeypatch.setattr(relief, "SLOW_SECONDS", 0.05)


def wait(condition):
    """Wait for a condition, a blink at a time."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < ends, "patience ended"
        threading.Event().wait(0.02)


class SlowLoop:
    """A loop that is in its handler from its start until `release`."""

    def __init__(self, can_be_relieved=True):
        self.release, self.is_cut, self.seconds = threading.Event(), False, 0.0
        self._can_be_relieved = can_be_relieved

    def run(self, stop):
        self.seconds = 60.0
        self.release.wait(PATIENCE_SECONDS)
        self.seconds = 0.0
        while not stop():
            threading.Event().wait(0.01)

    def handler_seconds(self):
        return self.seconds

    def can_be_relieved(self):
        return self._can_be_relieved

    def cut_off(self):
        self.is_cut = True


@pytest.fixture
def slow():
    """A consumer of slow loops, and the list of those that were made; all of them end."""
    made, deaths, options = [], [], {}

    def loop_of():
        made.append(SlowLoop(**options))
        return made[-1]

    def host(**changes):
        options.update(changes)
        return Relieved("slow", loop_of, deaths.append), made, deaths

    yield host
    for one in made:
        one.release.set()


def keep(relieved, made, number):
    """Look until so many loops were made and the last of them is in its handler."""
    wait(lambda: made[-1].seconds)
    while len(made) < number:
        relieved.look()
        wait(lambda: made[-1].seconds)


def test_a_thread_that_its_handler_keeps_is_relieved_and_ends_when_it_comes_back(slow):
    relieved, made, deaths = slow()
    relieved.start()
    keep(relieved, made, 2)

    assert (made[0].is_cut, made[1].is_cut) == (True, False)
    made[1].release.set()
    wait(lambda: not made[1].seconds)
    made[0].release.set()
    wait(lambda: relieved.look() or not relieved._relieved)
    relieved.ask()

    assert relieved.join(PATIENCE_SECONDS)
    assert deaths == []


def test_a_handler_that_is_quick_keeps_nobody(slow):
    relieved, made, _ = slow()
    relieved.start()
    wait(lambda: made[0].seconds)
    made[0].seconds = 0.01

    relieved.look()

    assert len(made) == 1
    made[0].release.set()
    relieved.ask()
    assert relieved.join(PATIENCE_SECONDS)


def test_a_consumer_that_nobody_can_relieve_waits_for_its_handler(slow):
    relieved, made, _ = slow(can_be_relieved=False)
    relieved.start()
    wait(lambda: made[0].seconds)

    relieved.look()

    assert len(made) == 1
    assert not made[0].is_cut
    relieved.ask()


def test_so_many_are_relieved_and_then_the_last_one_waits_with_them(slow, monkeypatch):
    relieved, made, _ = slow()
    relieved.start()
    keep(relieved, made, 1 + MOST_RELIEVED)

    relieved.look()
    began = time.monotonic()

    assert not relieved.join(0.2)
    assert 0.2 <= time.monotonic() - began < 0.2 * MOST_RELIEVED
    assert len(made) == 1 + MOST_RELIEVED
    assert not relieved.is_hung()
    monkeypatch.setattr(threads, "HUNG_SECONDS", 0.0)
    assert relieved.is_hung()
    relieved.ask()


def test_one_that_never_comes_back_counts_as_hung_though_another_has_relieved_it(slow, monkeypatch):
    relieved, made, _ = slow()
    relieved.start()
    keep(relieved, made, 2)
    made[1].release.set()
    wait(lambda: not made[1].seconds)
    monkeypatch.setattr(threads, "HUNG_SECONDS", 0.2)

    wait(relieved.is_hung)

    assert not relieved._hosted.is_hung()
    relieved.ask()


def test_nobody_takes_over_from_a_thread_that_was_asked_to_stop(slow):
    relieved, made, _ = slow()
    relieved.start()
    wait(lambda: made[0].seconds)
    relieved.ask()

    relieved.look()

    assert len(made) == 1


@pytest.fixture
def hands(monkeypatch):
    """Handlers of parcels noted as slow wait in their transaction until they are released."""
    hear, release, begun = projections.hear, threading.Event(), []

    def slowly(message, note):
        if note == "slow":
            begun.append(message.id)
            assert release.wait(PATIENCE_SECONDS)
        hear(message, note)

    monkeypatch.setattr(projections, "hear", slowly)
    yield release, begun
    release.set()


def publish(broker_url, *messages):
    publisher = bus.open_publisher(broker_url, "depot")
    batch = [bus.Outgoing(id=str(one.id), routing_key=one.type, body=encode_envelope(one)) for one in messages]
    assert len(publisher.publish(batch, deadline_seconds=10).confirmed) == len(batch)
    publisher.close()


@pytest.mark.real
@pytest.mark.django_db(databases=["shoplet"], transaction=True)
def test_a_slow_handler_takes_effect_once_and_others_do_not_wait_for_it(queue, broker_url, hands, caplog):
    release, begun = hands
    (slow,), good = stream(length=1, note="slow"), stream(length=3)
    relieved = Relieved(
        EAR, lambda: ConsumeLoop("shoplet", EAR, queue, broker_url, Isolation()), lambda name: None
    )
    publish(broker_url, slow)

    def looking(condition):
        return lambda: relieved.look() or condition()

    with caplog.at_level(logging.INFO, logger="fissile.events.inbox"):
        relieved.start()
        try:
            wait(lambda: begun)
            publish(broker_url, *good)
            # Its repetition is stored by the thread that has taken over; nobody else may run it.
            wait(looking(lambda: versions_heard(good[0].subject) == [1, 2, 3] and inbox().count() == 4))
            assert inbox().get(aggregate=slow.subject).state == "waiting"
            assert relieved._relieved
            release.set()
            wait(looking(lambda: not relieved._relieved))
            # Acknowledged by the second thread, or again on the queue and then told apart: never run again.
            wait(lambda: inbox().get(aggregate=slow.subject).state == "applied")
        finally:
            relieved.ask()
            release.set()
            assert relieved.join(PATIENCE_SECONDS)
            connections.close_all()

    assert begun == [slow.id]
    assert versions_heard(slow.subject) == [1]
    assert len(heard()) == 4
    assert inbox().get(aggregate=slow.subject).attempts == 0
