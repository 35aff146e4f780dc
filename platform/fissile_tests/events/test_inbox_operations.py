"""`inbox pause | resume | skip | status`: a consumer that only stores, a stream that goes on without a message."""

from __future__ import annotations

import json
import threading
from io import StringIO
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.db import connections, transaction

from fissile.contexts import registry
from fissile.data.clock import Clock
from fissile.data.guard import writing
from fissile.events.inbox import shell, steering
from fissile.events.inbox.steering import NothingToSkip, NotNext

from .parcels import (
    EAR,
    Ear,
    envelope,
    heard,
    inbox,
    parked_rows_that_are_not_heads,
    position,
    rows_of,
    states,
    stream,
    versions_heard,
)

CONTEXTS = [context.name for context in registry.installed()]
pytestmark = pytest.mark.django_db(databases=["operations", *CONTEXTS], transaction=True)


@pytest.fixture
def ear():
    """An ear that has looked once, as a worker's has."""
    listening = Ear()
    listening.sweep()
    return listening


def run(*arguments):
    """Return (exit code, the envelope)."""
    out = StringIO()
    try:
        call_command("inbox", *arguments, "--json", stdout=out, stderr=StringIO())
    except SystemExit as ended:
        return ended.code, json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


def steered():
    return rows_of("ShopletConsumer").values("name", "paused", "by", "reason").get()


def pause():
    return steering.pause(EAR, reason="its handler is wrong", operator="rosa")


def skip(aggregate, version, **options):
    return steering.skip(EAR, aggregate, version, reason="a test parcel", operator="rosa", **options)


def test_a_consumer_is_listed_from_its_first_look_on(ear):
    assert steered() == {"name": EAR, "paused": False, "by": "", "reason": ""}


def test_a_paused_consumer_stores_and_acknowledges_and_applies_nothing(ear):
    pause()
    ear.sweep()
    messages = stream(length=3)

    ear.hear(*messages)
    ear.sweep()

    assert heard() == []
    assert set(states(messages[0].subject).values()) == {"waiting"}
    assert ear.told == ["ack"]


def test_a_resumed_consumer_applies_what_it_stored_in_order(ear):
    pause()
    ear.sweep()
    messages = stream(length=3)
    ear.hear(messages[2], messages[0])
    ear.hear(messages[1])

    steering.resume(EAR, reason="mended", operator="rosa")
    ear.sweep_until_quiet()

    assert versions_heard(messages[0].subject) == [1, 2, 3]
    assert steered() == {"name": EAR, "paused": False, "by": "rosa", "reason": "mended"}


def test_a_pause_is_heeded_in_the_middle_of_a_long_backlog(ear, monkeypatch):
    """One aggregate's backlog is one long run of the machine, without a sweep in between."""
    monkeypatch.setattr(shell, "PAUSE_SECONDS", 0.0)
    messages = stream(length=30)
    ear.store(*messages)
    handle = shell.handle

    def handle_and_be_paused(consumer, message):
        # Committed with the second message's effect.
        if message.version == 2:
            pause()
        return handle(consumer, message)

    monkeypatch.setattr(shell, "handle", handle_and_be_paused)

    ear.sweep()

    assert 2 <= position(messages[0].subject) <= 3
    assert inbox().filter(state="waiting").count() >= 27


def test_a_process_that_starts_while_its_consumer_is_paused_applies_nothing():
    pause()
    late = Ear()
    late.sweep()

    late.hear(*stream(length=2))

    assert heard() == []


def test_a_pause_costs_a_failing_message_no_attempts(ear):
    ear.hear(envelope(uuid4(), 1, "raise"))
    before = inbox().values("attempts", "state").get()
    pause()

    for _ in range(8):
        with writing("shoplet"):
            inbox().update(due=Clock())
        ear.sweep()

    assert inbox().values("attempts", "state").get() == before


def test_pausing_twice_changes_nothing_the_second_time():
    assert pause() == "paused"
    assert steering.pause(EAR, reason="another", operator="olaf") == "paused already"
    assert steered()["by"] == "rosa"
    assert steering.resume(EAR, reason="mended", operator="rosa") == "resumed"
    assert steering.resume(EAR, reason="mended", operator="rosa") == "not paused"


def test_a_skipped_dead_letter_lets_its_stream_go_on(ear):
    messages = [envelope(parcel := uuid4(), 1, "raise"), envelope(parcel, 2), envelope(parcel, 3)]
    ear.hear(*messages)
    ear.sweep_until_quiet()
    assert states(messages[0].subject)[1] == "parked"

    assert skip(messages[0].subject, 1) == "skipped"
    ear.sweep_until_quiet()

    assert versions_heard(messages[0].subject) == [2, 3]
    row = inbox().get(version=1)
    assert (row.state, row.reason) == ("applied", "skipped by rosa: a test parcel")
    assert not parked_rows_that_are_not_heads()


def test_skipping_twice_changes_nothing_and_says_so(ear):
    messages = [envelope(parcel := uuid4(), 1, "raise"), envelope(parcel, 2)]
    ear.hear(*messages)
    skip(messages[0].subject, 1)
    before = list(inbox().order_by("pk").values())

    assert skip(messages[0].subject, 1) == "skipped already"
    assert list(inbox().order_by("pk").values()) == before


def test_what_was_applied_is_not_skipped(ear):
    (message,) = stream(length=1)
    ear.hear(message)

    assert skip(message.subject, 1) == "applied already"
    assert inbox().get().reason == "handled"


def test_only_the_next_version_is_skipped(ear):
    messages = [envelope(parcel := uuid4(), 1, "raise"), envelope(parcel, 2), envelope(parcel, 3)]
    ear.hear(*messages)

    with pytest.raises(NotNext, match="the next one is 1, not 2"):
        skip(messages[0].subject, 2)

    assert position(messages[0].subject) == 0


def test_a_version_that_never_arrived_is_skipped_and_is_a_duplicate_if_it_comes_after_all(ear):
    messages = stream(length=3)
    ear.hear(messages[0], messages[2])

    assert skip(messages[0].subject, 2) == "skipped"
    ear.sweep_until_quiet()
    ear.hear(messages[1])
    ear.hear(messages[1], redelivered=True)
    ear.sweep_until_quiet()

    assert versions_heard(messages[0].subject) == [1, 3]
    assert ear.shell.counts["duplicate"] == 2
    assert ear.shell.counts["forked"] == 0


def test_what_may_still_come_is_not_skipped_in_advance(ear):
    (message,) = stream(length=1)
    ear.hear(message)

    with pytest.raises(NothingToSkip):
        skip(message.subject, 2)
    with pytest.raises(NothingToSkip):
        skip("parcel/of-nobody", 1)

    assert position(message.subject) == 1


def test_a_dry_run_of_each_says_what_would_be_and_changes_nothing(ear):
    messages = [envelope(parcel := uuid4(), 1, "raise"), envelope(parcel, 2)]
    ear.hear(*messages)
    before = list(inbox().order_by("pk").values())

    assert skip(messages[0].subject, 1, dry_run=True) == "would skip"
    assert steering.pause(EAR, reason="to see", operator="rosa", dry_run=True) == "would pause"
    assert steering.resume(EAR, reason="to see", operator="rosa", dry_run=True) == "not paused"

    assert list(inbox().order_by("pk").values()) == before
    assert position(messages[0].subject) == 0
    assert not steered()["paused"]


@pytest.mark.real
def test_a_skip_waits_for_whoever_runs_the_message_and_then_finds_it_applied(ear):
    (message,) = stream(length=1)
    ear.store(message)
    is_held, answers = threading.Event(), []

    def skip_meanwhile():
        is_held.wait(30)
        answers.append(skip(message.subject, 1))
        connections.close_all()

    thread = threading.Thread(target=skip_meanwhile)
    thread.start()
    with writing("shoplet"), transaction.atomic(using="shoplet"):
        row = rows_of("ShopletPosition").select_for_update().get(aggregate=message.subject)
        is_held.set()
        thread.join(0.5)
        assert answers == []
        inbox().update(state="applied", applied_at=Clock(), reason="handled")
        row.applied_version = 1
        row.save()
    thread.join(30)

    assert answers == ["applied already"]


def test_each_command_leaves_one_entry_in_the_operators_log(ear):
    messages = [envelope(parcel := uuid4(), 1, "raise"), envelope(parcel, 2)]
    ear.hear(*messages)

    run("pause", EAR, "--reason", "its handler is wrong")
    run("skip", EAR, f"{messages[0].subject}@1", "--reason", "a test parcel")
    run("resume", EAR, "--reason", "the handler is mended")
    run("resume", EAR, "--reason", "the handler is mended")

    told = list(LogEntry.objects.order_by("pk").values_list("object_repr", "change_message"))
    assert told == [
        (EAR, "Paused the consumer. Reason: its handler is wrong"),
        (
            f"{EAR}: {messages[0].subject}@1",
            f"Skipped {messages[0].subject}@1 for {EAR}. Reason: a test parcel",
        ),
        (EAR, "Resumed the consumer. Reason: the handler is mended"),
    ]


def test_status_tells_what_waits_sleeps_and_is_parked_and_who_paused_it_why(ear):
    messages = [envelope(parcel := uuid4(), 1, "raise"), envelope(parcel, 2)]
    ear.hear(*messages)
    ear.sweep_until_quiet()
    run("pause", EAR, "--reason", "its handler is wrong")

    code, told = run("status")

    (mine,) = [one for one in told["data"] if one["consumer"] == EAR]
    assert code == 0
    assert (mine["waiting"], mine["asleep"], mine["parked"], mine["paused"]) == (1, 1, 1, True)
    assert 0 <= mine["oldest_waiting_seconds"] < 600
    (warning,) = told["warnings"]
    assert warning.startswith(f"{EAR} is paused for ")
    assert warning.endswith(": its handler is wrong")
    assert {"bff.orders", "orders.users"} <= {one["consumer"] for one in told["data"]}


def test_people_read_one_line_for_each_consumer():
    out = StringIO()

    call_command("inbox", "status", stdout=out)

    lines = {line.split()[0]: line.split()[1:] for line in out.getvalue().splitlines()}
    assert lines[EAR] == ["running", "0", "0", "0", "0", "0", "0", "-", "0"]


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["pause", "shoplet.mars"], 2, "inbox.no_such_consumer"),
        (["pause", "mars.shoplet"], 2, "inbox.no_such_consumer"),
        (["pause", ""], 2, "inbox.no_such_consumer"),
        (["skip", EAR, "parcel/7"], 2, "inbox.usage"),
        (["skip", EAR, "parcel/7@0"], 2, "inbox.usage"),
        (["skip", EAR, "parcel/7@four"], 2, "inbox.usage"),
        (["skip", EAR, "parcel/7@99999999999999999999"], 2, "inbox.usage"),
        (["skip", EAR, "@4"], 2, "inbox.usage"),
        (["skip", EAR, "parcel/7@4"], 5, "inbox.not_next"),
        (["skip", EAR, "parcel/7@1"], 5, "inbox.nothing_to_skip"),
    ],
)
def test_a_wrong_name_or_place_is_refused_with_the_way_on(arguments, code, error):
    ended, told = run(*arguments, "--reason", "because")

    assert (ended, told["error"]["id"]) == (code, error)
    assert told["error"]["hint"] == "manage.py inbox status"
    assert not LogEntry.objects.exists()
