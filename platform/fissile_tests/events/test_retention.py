"""Retention: what is old and done goes, in small batches; what waits or is parked never does (T15, T20)."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from io import StringIO
from itertools import product
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.db import connections, transaction

from fissile.contexts import registry
from fissile.data.clock import Clock
from fissile.data.guard import writing
from fissile.events import retention
from fissile.events.models import InboxRow
from fissile.messages import uuid7

from .baskets import fill, outbox
from .parcels import EAR, Ear, heard, inbox, position, rows_of, stream

CONTEXTS = [context.name for context in registry.installed()]
pytestmark = pytest.mark.django_db(databases=["operations", *CONTEXTS], transaction=True)
A_DAY, A_YEAR = timedelta(days=1), timedelta(days=365)


def make_events(count, **state):
    """Make `count` events in one state, each of its own aggregate; return their seqs."""
    model = outbox().model
    rows = [
        model(
            aggregate=f"basket/{uuid4()}", version=1, lane=0, type="shoplet.basket_filled.v1", payload={}, headers={},
            **state,
        )
        for _ in range(count)
    ]  # fmt: skip
    with writing("shoplet"):
        return [row.seq for row in outbox().bulk_create(rows)]


def make_messages(count, **state):
    model = rows_of("ShopletInbox").model
    rows = [
        model(
            consumer=EAR, message_id=uuid7(), aggregate=f"parcel/{uuid4()}", version=1, type="depot.parcel_packed.v1",
            payload={}, headers={}, **state,
        )
        for _ in range(count)
    ]  # fmt: skip
    with writing("shoplet"):
        rows_of("ShopletInbox").bulk_create(rows)


def ago(age):
    return Clock() - age


def test_no_event_that_is_unsent_or_parked_is_ever_pruned():
    """Whatever else its row says: this is every combination of the columns that tell of its way."""
    kept = [
        make_events(1, sent_at=None, parked_at=parked_at, next_at=next_at, attempts=attempts, reason=reason,
                    recorded_at=ago(A_YEAR))
        for parked_at, next_at, attempts, reason in product(
            (None, ago(A_YEAR), Clock()), (None, ago(A_YEAR), Clock()), (0, 1, 8), ("", "nack")
        )
    ]  # fmt: skip
    kept.append(make_events(1, sent_at=ago(A_YEAR), parked_at=ago(A_YEAR)))
    old = make_events(3, sent_at=ago(A_YEAR))

    done = retention.prune_outbox("shoplet", timedelta(hours=1))

    assert done.rows == len(old)
    assert sorted(outbox().values_list("seq", flat=True)) == sorted(seq for seqs in kept for seq in seqs)


def test_an_event_is_kept_until_it_was_sent_long_enough_ago_whenever_it_was_recorded():
    make_events(1, sent_at=ago(2 * A_DAY), recorded_at=ago(A_YEAR))

    assert retention.prune_outbox("shoplet", 3 * A_DAY).rows == 0
    assert retention.prune_outbox("shoplet", A_DAY).rows == 1


def test_no_message_that_waits_or_is_parked_is_ever_pruned():
    for state, applied_at, due, attempts in product(
        (InboxRow.State.WAITING, InboxRow.State.PARKED), (None, ago(A_YEAR)), (None, ago(A_YEAR)), (0, 5)
    ):
        make_messages(1, state=state, applied_at=applied_at, due=due, attempts=attempts, received_at=ago(A_YEAR))
    make_messages(2, state=InboxRow.State.APPLIED, applied_at=ago(A_YEAR))

    done = retention.prune_inbox("shoplet", timedelta(hours=1))

    assert done.rows == 2
    assert inbox().count() == 16


def test_a_message_that_comes_again_after_pruning_has_no_second_effect():
    ear, messages = Ear(), stream(length=2)
    ear.hear(*messages)
    with writing("shoplet"):
        inbox().update(applied_at=ago(A_YEAR))
    retention.prune_inbox("shoplet", A_DAY)
    assert not inbox().exists()

    ear.hear(*messages, redelivered=True)
    ear.sweep_until_quiet()

    assert len(heard()) == 2
    assert position(messages[0].subject) == 2


def test_rows_go_in_batches_each_in_a_transaction_of_its_own(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 10)
    make_events(25, sent_at=ago(A_YEAR))
    sizes, delete = [], retention._delete_batch

    def counted(old):
        keys = delete(old)
        sizes.append(len(keys))
        assert not connections["shoplet"].in_atomic_block
        return keys

    monkeypatch.setattr(retention, "_delete_batch", counted)

    assert retention.prune_outbox("shoplet", A_DAY).rows == 25
    assert sizes == [10, 10, 5, 0]


def test_a_run_that_was_interrupted_is_taken_up_by_the_next(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 10)
    make_events(25, sent_at=ago(A_YEAR))
    delete = retention._delete_batch

    def interrupted(old):
        if outbox().count() == 15:
            raise KeyboardInterrupt
        return delete(old)

    monkeypatch.setattr(retention, "_delete_batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        retention.prune_outbox("shoplet", A_DAY)
    monkeypatch.setattr(retention, "_delete_batch", delete)

    assert outbox().count() == 15
    assert retention.prune_outbox("shoplet", A_DAY).rows == 15


@pytest.mark.real
def test_a_row_that_somebody_holds_is_passed_over_and_not_waited_for():
    held, free = make_events(2, sent_at=ago(A_YEAR))
    is_held, may_end = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic(using="shoplet"):
            list(outbox().select_for_update().filter(seq=held))
            is_held.set()
            may_end.wait(30)
        connections["shoplet"].close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert is_held.wait(30)
    done = retention.prune_outbox("shoplet", A_DAY)
    may_end.set()
    thread.join()

    assert done.rows == 1
    assert list(outbox().values_list("seq", flat=True)) == [held]
    assert free not in outbox().values_list("seq", flat=True)


def run(command, *arguments):
    out = StringIO()
    try:
        call_command(command, *arguments, "--json", stdout=out, stderr=StringIO())
    except SystemExit as ended:
        return ended.code, json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


@pytest.mark.parametrize("command", ["outbox", "inbox"])
def test_a_dry_run_counts_and_deletes_nothing(command):
    make_events(3, sent_at=ago(A_YEAR))
    make_messages(3, state=InboxRow.State.APPLIED, applied_at=ago(A_YEAR))

    code, told = run(command, "prune", "shoplet", "--older-than", "30d", "--dry-run")

    assert (code, told["data"]["rows"]) == (0, 3)
    assert (outbox().count(), inbox().count()) == (3, 3)
    assert not LogEntry.objects.exists()


def test_pruning_the_outbox_says_what_it_costs_and_is_written_down():
    make_events(3, sent_at=ago(A_YEAR))
    fill()

    _, told = run("outbox", "prune", "shoplet", "--older-than", "30d")

    assert "a consumer that comes late" in told["warnings"][0]
    assert LogEntry.objects.get().change_message.startswith("Pruned 3 events that were sent before")
    assert outbox().count() == 1


def test_the_inbox_of_one_consumer_can_be_pruned_by_itself():
    make_messages(2, state=InboxRow.State.APPLIED, applied_at=ago(A_YEAR))
    with writing("shoplet"):
        inbox().filter(pk=inbox().order_by("pk").first().pk).update(consumer="shoplet.retired")

    _, told = run("inbox", "prune", "shoplet", "--older-than", "30d", "--consumer", EAR)

    assert told["data"]["rows"] == 1
    assert inbox().get().consumer == "shoplet.retired"


@pytest.mark.parametrize("age", ["0d", "30", "d", "-1d", "1.5d", "30m", "", "9999999d"])
def test_an_age_is_a_number_of_days_or_hours(age):
    with pytest.raises(CommandError, match="is no age; write 30d or 12h"):
        call_command("outbox", "prune", "shoplet", f"--older-than={age}")
