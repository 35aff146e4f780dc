"""The inbox against a real database: order, repetition, failure, quarantine, replay of rows."""

from __future__ import annotations

import random
from uuid import uuid4

import pytest
from django.db import OperationalError, connections

from fissile.data.clock import database_now
from fissile.data.guard import writing
from fissile.events.inbox import inbox_status
from fissile.events.inbox.core import ATTEMPTS
from fissile.messages import uuid7
from fissile.messages.envelope import CONTENT_TYPE
from fissile_tests.shoplet import projections

from .parcels import (
    Arrival,
    Ear,
    envelope,
    heard,
    hurry,
    inbox,
    parked_rows_that_are_not_heads,
    position,
    rows_of,
    states,
    stream,
    versions_heard,
)

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)


@pytest.fixture
def ear():
    return Ear()


def test_a_stream_is_applied_once_in_order_and_then_acknowledged(ear):
    messages = stream(length=3)

    ear.hear(*messages)

    assert [version for _, version in heard()] == [1, 2, 3]
    assert set(states(messages[0].subject).values()) == {"applied"}
    assert position(messages[0].subject) == 3
    assert ear.told == ["ack"]


def test_versions_that_come_upside_down_in_one_batch_are_applied_upward(ear):
    messages = stream(length=4)

    ear.hear(*reversed(messages))

    assert [version for _, version in heard()] == [1, 2, 3, 4]


def test_a_version_waits_for_its_predecessor_however_often_it_is_swept(ear):
    first, second, third = stream(length=3)

    ear.hear(third)
    ear.hear(second)
    ear.sweep()
    assert heard() == []
    ear.hear(first)

    assert [version for _, version in heard()] == [1, 2, 3]


def test_a_sleeping_row_is_woken_by_its_predecessor_that_came_from_the_table(ear):
    first, second = stream(length=2)

    ear.hear(second)
    ear.sweep()
    assert inbox().get().due is None
    ear.hear(first, redelivered=True)

    assert [version for _, version in heard()] == [1, 2]


def test_a_repetition_changes_nothing(ear):
    messages = stream(length=2)

    ear.hear(*messages, *messages)
    ear.hear(*messages)
    ear.hear(*messages, redelivered=True)

    assert [version for _, version in heard()] == [1, 2]
    assert ear.told == ["ack"] * 3
    assert ear.shell.counts["duplicate"] == 6


def test_a_repetition_of_a_pruned_row_is_known_by_the_position(ear):
    messages = stream(length=2)
    ear.hear(*messages)
    with writing("shoplet"):
        inbox().delete()

    ear.hear(*messages)

    assert [version for _, version in heard()] == [1, 2]
    assert not inbox().exists()


def test_types_without_a_handler_advance_the_position_and_say_so(ear):
    parcel = uuid4()

    ear.hear(envelope(parcel, 1), envelope(parcel, 2, kind="scanned"), envelope(parcel, 3))

    assert [version for _, version in heard()] == [1, 3]
    assert list(inbox().values_list("reason", flat=True)) == ["handled", "unhandled", "handled"]


def test_a_tombstone_advances_the_position(ear):
    parcel = uuid4()

    ear.hear(envelope(parcel, 1, type="tombstone", data={}), envelope(parcel, 2))

    assert [version for _, version in heard()] == [2]


def test_a_failing_message_is_retried_and_parked_and_only_its_own_stream_waits(ear):
    bad, good = stream(length=2, note="raise"), stream(length=2)

    ear.hear(*bad, *good)
    ear.sweep_until_quiet()

    assert heard() == [(good[0].subject, 1), (good[0].subject, 2)]
    assert states(bad[0].subject) == {1: "parked", 2: "waiting"}
    row = inbox().get(state="parked")
    assert (row.attempts, row.reason) == (ATTEMPTS, "ValueError: this parcel is broken")
    assert ear.told == ["ack"]
    assert not parked_rows_that_are_not_heads()


def test_a_repetition_of_a_failing_message_neither_runs_nor_counts(ear):
    bad = stream(length=1, note="raise")
    ear.hear(*bad)
    before = inbox().values().get()

    ear.hear(*bad)
    ear.hear(*bad, redelivered=True)

    assert inbox().values().get() == before


def test_a_retry_waits_longer_each_time(ear):
    def failed(attempt):
        """Return the least and the most that the row now waits, whatever the attempt itself has taken."""
        began = database_now("shoplet")
        attempt()
        due, ended = inbox().get().due, database_now("shoplet")
        hurry()
        return (due - ended).total_seconds(), (due - began).total_seconds()

    waits = [failed(lambda: ear.hear(*stream(length=1, note="raise"))), failed(ear.sweep), failed(ear.sweep)]

    assert all(least <= wait <= most for (least, most), wait in zip(waits, (0.2, 0.4, 0.8), strict=True))


def test_a_payload_of_another_shape_is_parked_with_its_reason(ear):
    ear.hear(envelope(uuid4(), 1, data={"parcel_id": "no uuid"}))
    ear.sweep_until_quiet()

    row = inbox().get()
    assert row.state == "parked"
    assert "BrokenContractError: Not a ParcelPackedV1" in row.reason


def test_an_unknown_version_of_a_handled_event_is_parked_and_not_passed_over(ear):
    ear.hear(envelope(uuid4(), 1, type="depot.parcel_packed.v2"))
    ear.sweep_until_quiet()

    assert inbox().get().reason.startswith("UnknownVersion")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{", CONTENT_TYPE),
        (b"\xff\xfe", CONTENT_TYPE),
        (b"[" * 100_000, CONTENT_TYPE),
        (b"cos\nsystem\n(S'true'\ntR.", "application/x-python-serialize"),
        (b"{}", None),
        (b'{"id": 1}', CONTENT_TYPE),
    ],
    ids=["broken", "not text", "too deep", "pickle", "no content type", "no envelope"],
)
def test_what_cannot_be_read_is_quarantined_and_its_neighbours_are_applied(ear, body, content_type):
    good = stream(length=2)

    ear.hear(Arrival(body=body, content_type=content_type, message_id="m-1"), good[0])
    ear.hear(Arrival(body=body, content_type=content_type), good[1])

    assert [version for _, version in heard()] == [1, 2]
    row = inbox().get(state="parked")
    assert row.aggregate.startswith("undecodable/")
    assert row.version == 1
    assert row.payload["message_id"] == "m-1"
    assert row.reason
    assert ear.told == ["ack"] * 2
    assert not parked_rows_that_are_not_heads()


@pytest.mark.parametrize(
    "strange",
    [
        {"data": {"parcel_id": str(uuid4()), "note": "a\0b"}},
        {"subject": "parcel/" + "x" * 3000},
        {"subject": "parcel/a\0b"},
        {"aggregateversion": 2**40},
        {"subject": "undecodable/1"},
        {"correlationid": "c" * 5000},
    ],
    ids=["NUL in data", "long name", "NUL in name", "huge version", "reserved name", "long id"],
)
def test_what_no_row_can_hold_is_quarantined(ear, strange):
    ear.hear(envelope(uuid4(), 1, **strange))

    assert inbox().get().state == "parked"
    assert heard() == []
    assert ear.told == ["ack"]


def test_text_that_only_looks_like_nul_is_no_reason_to_quarantine(ear):
    ear.hear(envelope(uuid4(), 1, note=r"a\u0000b"))

    assert len(heard()) == 1


def test_a_second_message_for_one_version_is_never_applied_and_stays_visible(ear):
    parcel = uuid4()
    first, twin = envelope(parcel, 1), envelope(parcel, 1)

    ear.hear(first)
    ear.hear(twin)
    ear.hear(twin, redelivered=True)

    assert [message_id for (message_id,) in rows_of("Heard").values_list("message_id")] == [first.id]
    row = inbox().get(state="parked")
    assert row.aggregate == f"forked/{twin.id}"
    assert "forked history" in row.reason
    assert ear.told == ["ack"] * 3


@pytest.mark.parametrize("redelivered", [False, True])
def test_two_messages_for_one_version_in_one_batch_are_told_apart(ear, redelivered):
    parcel = uuid4()

    ear.hear(envelope(parcel, 1), envelope(parcel, 1), redelivered=redelivered)

    assert len(heard()) == 1
    assert inbox().filter(state="parked").count() == 1


@pytest.mark.parametrize("redelivered", [False, True])
def test_a_fork_of_a_waiting_version_is_told_apart_and_the_first_one_is_applied(ear, redelivered):
    parcel = uuid4()
    first, second, twin = envelope(parcel, 1), envelope(parcel, 2), envelope(parcel, 2)
    ear.hear(second)

    ear.hear(first, twin, redelivered=redelivered)

    assert list(rows_of("Heard").order_by("id").values_list("message_id", flat=True)) == [first.id, second.id]
    assert inbox().filter(aggregate=f"forked/{twin.id}", state="parked").exists()


def test_one_id_in_two_places_hides_no_message(ear):
    borrowed = uuid7()
    ear.hear(envelope(uuid4(), 1, id=borrowed))

    ear.hear(envelope(uuid4(), 1, id=borrowed), redelivered=True)

    assert inbox().get(state="parked").reason.startswith("forked history: this id is")


def test_a_row_stored_by_somebody_who_read_the_position_too_early_is_retired(ear):
    (message,) = stream(length=1)
    ear.store(message)
    with writing("shoplet"):
        rows_of("ShopletPosition").update(applied_version=1, last_id=message.id)

    ear.sweep()

    assert inbox().get().reason == "late duplicate"
    assert heard() == []


def test_effects_of_a_failed_batch_are_undone_with_it(ear):
    good, bad = stream(length=1), stream(length=1, note="raise")

    ear.hear(*good, *bad)

    assert heard() == [(good[0].subject, 1)]


def test_a_transient_failure_costs_no_attempt(ear, monkeypatch):
    failures = ["database is locked"] * 8
    hear = projections.hear

    def busy(message, note):
        if failures:
            raise OperationalError(failures.pop())
        hear(message, note)

    monkeypatch.setattr(projections, "hear", busy)
    ear.hear(*stream(length=1))
    ear.sweep_until_quiet()

    assert len(heard()) == 1
    assert inbox().get().attempts == 1


def test_a_lost_database_loses_nothing_and_the_next_delivery_finds_a_new_connection(ear):
    messages = stream(length=2)
    ear.hear(messages[0])
    connections["shoplet"].connection.close()

    ear.hear(messages[1])
    assert ear.told == ["ack", "disconnect"]
    ear.hear(messages[1], redelivered=True)

    assert [version for _, version in heard()] == [1, 2]
    assert ear.told == ["ack", "disconnect", "ack"]


def test_status_tells_waiting_due_asleep_and_parked_per_consumer(ear):
    ear.hear(*stream(length=3, note="raise"))
    ear.hear(envelope(uuid4(), 2))
    ear.sweep_until_quiet()

    status, _ = inbox_status("shoplet")

    assert (status.consumer, status.waiting, status.parked) == ("shoplet.depot", 3, 1)
    assert (status.due, status.asleep) == (0, 3)
    assert status.oldest_waiting_seconds >= 0
    assert status.oldest_due_seconds is None


def test_a_quiet_consumer_has_a_status_too():
    found = [(one.consumer, one.waiting, one.parked) for one in inbox_status("shoplet")]

    assert found == [("shoplet.depot", 0, 0), ("shoplet.from-depot", 0, 0)]


@pytest.mark.parametrize("seed", range(6))
def test_any_order_and_any_repetition_end_in_the_same_state(ear, seed):
    chance = random.Random(seed)
    streams = [stream(length=chance.randint(1, 6)) for _ in range(5)]
    messages = [message for one in streams for message in one]
    deliveries = messages + chance.choices(messages, k=15)
    chance.shuffle(deliveries)

    while deliveries:
        size = chance.randint(1, 6)
        batch, deliveries = deliveries[:size], deliveries[size:]
        ear.hear(*batch, redelivered=chance.random() < 0.3)
        if chance.random() < 0.3:
            ear.sweep()
    ear.sweep_until_quiet()

    for one in streams:
        assert versions_heard(one[0].subject) == [message.aggregateversion for message in one]
    assert not inbox().exclude(state="applied").exists()
