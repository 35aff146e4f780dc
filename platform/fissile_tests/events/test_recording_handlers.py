"""Handlers whose use cases record events: inbox row, effect and events commit together, or none of them."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest
from django.db import OperationalError, connections

from fissile.data import unit_of_work as units
from fissile.data.unit_of_work import OutsideUnitOfWork, in_open_transaction, joining, unit_of_work
from fissile_tests.shoplet import usecases

from .parcels import TRACE, Ear, envelope, heard, inbox, position, rows_of, stream

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)


@pytest.fixture
def ear():
    return Ear()


def baskets():
    return list(rows_of("Basket").values_list("things", "version"))


def outbox():
    return rows_of("ShopletOutbox").order_by("seq")


def test_what_a_handler_records_is_there_with_its_inbox_row(ear):
    ear.hear(envelope(uuid4(), 1, note="fill"))

    assert inbox().get().state == "applied"
    assert baskets() == [(1, 1)]
    assert outbox().get().type == "shoplet.basket_filled.v1"
    assert len(heard()) == 1


@pytest.mark.parametrize("redelivered", [False, True], ids=["first delivery", "from the table"])
def test_a_recorded_event_names_the_message_as_its_cause_and_stays_in_its_story_and_trace(ear, redelivered):
    message = envelope(uuid4(), 1, note="fill")

    ear.hear(message, redelivered=redelivered)

    headers = outbox().get().headers
    assert headers["causationid"] == str(message.id)
    assert headers["correlationid"] == message.correlationid
    assert headers["traceparent"].split("-")[1] == TRACE


def test_each_message_of_a_batch_is_the_cause_of_its_own_events(ear):
    messages = [envelope(uuid4(), 1, note="fill") for _ in range(3)]

    ear.hear(*messages)

    causes = set(outbox().values_list("headers__causationid", flat=True))
    assert causes == {str(message.id) for message in messages}


def test_a_handler_that_fails_after_recording_leaves_no_event_and_no_position(ear):
    bad = envelope(uuid4(), 1, note="fill, then raise")

    ear.hear(bad)
    ear.sweep_until_quiet()

    assert inbox().get().state == "parked"
    assert position(bad.subject) == 0
    assert (baskets(), outbox().count(), heard()) == ([], 0, [])


def test_a_failure_in_the_same_batch_undoes_what_was_recorded_and_it_is_recorded_once_after_all(ear):
    good, bad = envelope(uuid4(), 1, note="fill"), envelope(uuid4(), 1, note="fill, then raise")

    ear.hear(good, bad)
    ear.sweep_until_quiet()

    assert baskets() == [(1, 1)]
    assert outbox().get().headers["causationid"] == str(good.id)


def test_a_commit_that_fails_takes_row_effect_and_event_with_it(ear, monkeypatch):
    message = envelope(uuid4(), 1, note="fill")
    ear.store(message)
    commit = connections["shoplet"].commit
    lost = [OperationalError("database is locked")]

    def once():
        if lost and outbox().exists():
            raise lost.pop()
        commit()

    monkeypatch.setattr(connections["shoplet"], "commit", once)
    ear.sweep()
    assert not lost
    assert (baskets(), outbox().count(), heard()) == ([], 0, [])
    assert inbox().get().state == "waiting"
    ear.sweep_until_quiet()

    assert (baskets(), outbox().count(), len(heard())) == ([(1, 1)], 1, 1)


def test_a_repetition_records_nothing(ear):
    messages = stream(length=2, note="fill")

    ear.hear(*messages, *messages)
    ear.hear(*messages, redelivered=True)

    assert outbox().count() == 2


def test_a_unit_of_work_that_was_refused_leaves_nothing_although_its_handler_goes_on(ear):
    ear.hear(envelope(uuid4(), 1, note="fill, then be refused"))

    assert inbox().get().state == "applied"
    assert baskets() == [(1, 1)]
    assert outbox().count() == 1


def test_the_relay_is_woken_after_the_commit_and_never_for_what_was_undone(ear, monkeypatch):
    woken = []
    monkeypatch.setattr(units, "after_commit", [lambda alias: woken.append((alias, in_open_transaction()))])

    ear.hear(envelope(uuid4(), 1, note="fill, then raise"))
    assert woken == []
    ear.hear(envelope(uuid4(), 1, note="fill"))

    assert woken == [("shoplet", None)]


def test_a_handler_changes_its_own_context_only(ear, monkeypatch):
    def reach_out(*, things):
        with unit_of_work("orders"):
            raise AssertionError("another context's unit of work opened in a handler")

    monkeypatch.setattr(usecases, "fill_basket", reach_out)

    ear.hear(envelope(uuid4(), 1, note="fill"))
    ear.sweep_until_quiet()

    assert inbox().get().reason.startswith("OutsideUnitOfWork: A message of shoplet is being handled")


def test_there_is_nothing_to_join_without_a_transaction():
    with pytest.raises(OutsideUnitOfWork, match="No transaction is open"), joining("shoplet"):
        pass


def test_a_writer_that_waits_for_its_turn_does_not_hold_a_handler_up(ear, monkeypatch):
    """The writer has the turn and waits for SQLite's write lock, which the handler's transaction holds."""
    if connections["shoplet"].vendor != "sqlite":
        pytest.skip("only SQLite's writers queue")
    fill, writers = usecases.fill_basket, []

    def write():
        try:
            fill(things=2)
        finally:
            connections.close_all()

    def fill_while_somebody_waits(*, things):
        writers.append(threading.Thread(target=write))
        writers[0].start()
        while not units._turns["shoplet"].locked():
            pass
        return fill(things=things)

    monkeypatch.setattr(usecases, "fill_basket", fill_while_somebody_waits)
    ear.hear(envelope(uuid4(), 1, note="fill"))
    writers[0].join(10)

    assert not writers[0].is_alive()
    assert ear.told == ["ack"]
    assert sorted(baskets()) == [(1, 1), (2, 1)]
