"""What a consumer's figures say of duplicates and gaps: counted with the receipt, kept over processes, shown."""

from __future__ import annotations

import json
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import OperationalError

from fissile.contexts import registry
from fissile.data.guard import writing
from fissile.events.inbox import inbox_status
from fissile.events.inbox.store import InboxStore

from .parcels import EAR, Ear, envelope, heard, inbox, rows_of, stream

CONTEXTS = [context.name for context in registry.installed()]
pytestmark = pytest.mark.django_db(databases=["operations", *CONTEXTS], transaction=True)


@pytest.fixture
def ear():
    return Ear()


def figures():
    (status,) = (one for one in inbox_status("shoplet") if one.consumer == EAR)
    return status


def test_messages_that_come_again_are_counted_for_all_processes_of_the_consumer(ear):
    messages = stream(length=3)
    ear.hear(*messages)

    ear.hear(*messages)
    Ear().hear(messages[0], redelivered=True)

    assert figures().duplicates == 4


def test_a_message_that_comes_twice_in_one_batch_is_counted_once(ear):
    (message,) = stream(length=1)

    ear.hear(message, message)

    assert (heard(), figures().duplicates) == ([(message.subject, 1)], 1)


def test_a_row_that_was_stored_too_late_is_counted_when_it_is_retired(ear):
    (message,) = stream(length=1)
    ear.store(message)
    with writing("shoplet"):
        rows_of("ShopletPosition").update(applied_version=1, last_id=message.id)

    ear.sweep()

    assert figures().duplicates == 1


def test_a_batch_that_is_rolled_back_is_not_counted_twice(ear):
    known, bad = stream(length=1), stream(length=1, note="raise")
    ear.hear(*known)

    ear.hear(*known, *bad)

    assert figures().duplicates == 1


def test_what_the_database_gives_up_is_not_counted(ear, monkeypatch):
    (message,) = stream(length=1)
    ear.hear(message)
    store = InboxStore.store
    with monkeypatch.context() as lost:
        # The receipt is written and the duplicate seen; then the connection is gone.
        def gone(self, messages):
            store(self, messages)
            raise OperationalError("the server closed the connection")

        lost.setattr(InboxStore, "store", gone)
        ear.hear(message, redelivered=True)

    ear.hear(message, redelivered=True)

    assert figures().duplicates == 1


def test_each_place_where_a_version_is_missing_is_a_gap(ear):
    parcel, other = uuid4(), uuid4()
    ear.hear(envelope(parcel, 1), envelope(parcel, 3), envelope(parcel, 4), envelope(parcel, 7), envelope(other, 2))

    assert (figures().asleep, figures().gaps) == (4, 3)


def test_what_waits_behind_a_dead_letter_is_no_gap(ear):
    parcel = uuid4()
    ear.hear(envelope(parcel, 1, "raise"), envelope(parcel, 2))
    ear.sweep_until_quiet()

    assert (figures().asleep, figures().gaps) == (1, 0)


def test_a_version_whose_row_was_pruned_is_no_gap(ear):
    parcel = uuid4()
    ear.hear(envelope(parcel, 1), envelope(parcel, 2, "raise"), envelope(parcel, 3))
    ear.sweep_until_quiet()
    with writing("shoplet"):
        inbox().filter(state="applied").delete()

    assert figures().gaps == 0


def test_status_tells_programs_and_people(ear):
    parcel = uuid4()
    waiting = envelope(parcel, 3)
    ear.hear(envelope(parcel, 1), waiting)
    ear.hear(waiting)
    out, told = StringIO(), StringIO()

    call_command("inbox", "status", "--json", stdout=told)
    call_command("inbox", "status", stdout=out)

    (row,) = (one for one in json.loads(told.getvalue())["data"] if one["consumer"] == EAR)
    assert (row["gaps"], row["duplicates"], row["paused"]) == (1, 1, False)
    header, *lines = out.getvalue().splitlines()
    (line,) = (line for line in lines if line.startswith(EAR))
    cells = dict(zip(header.split(), line.replace(" s ", "s ").split(), strict=True))
    assert (cells["gaps"], cells["duplicates"], cells["state"]) == ("1", "1", "running")
