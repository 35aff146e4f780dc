"""The backlog limit: what happens to writes, to handlers and to operators when events cannot leave."""

from __future__ import annotations

import json
from io import StringIO
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.test.utils import CaptureQueriesContext
from prometheus_client import generate_latest

from fissile.data.clock import Clock
from fissile.data.guard import writing
from fissile.data.unit_of_work import unit_of_work
from fissile.events import backlog
from fissile.events.backlog import LOOK_SECONDS, RETRY_AFTER_SECONDS, Backlog, OutboxFull
from fissile.messages import problem_from
from fissile.watch import metrics
from fissile_tests.shoplet.usecases import fill_basket

from .baskets import fill, outbox
from .parcels import Ear, envelope, heard, inbox, rows_of

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)


class HandClock:
    """A clock that a test moves."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def limit():
    """Set shoplet's limit; afterwards all is as the settings say."""
    yield lambda number: backlog.configure({"shoplet": number})
    backlog.configure(settings.FISSILE["outbox_limits"])


def looked_again():
    """Let the next unit of work look, whenever the last one did."""
    backlog.backlog_of("shoplet")._next_look = float("-inf")


def send(count):
    """Let the broker have confirmed the `count` oldest events."""
    oldest = list(outbox().filter(sent_at__isnull=True).order_by("seq").values_list("seq", flat=True)[:count])
    with writing("shoplet"):
        outbox().filter(seq__in=oldest).update(sent_at=Clock())


def test_a_full_outbox_refuses_the_write_and_nothing_of_it_stays(limit):
    limit(3)
    fill(3)
    looked_again()

    with pytest.raises(OutboxFull, match="nothing was done"):
        fill_basket(things=1)

    assert outbox().count() == 3
    assert rows_of("Basket").count() == 1


def test_one_event_below_the_limit_is_taken(limit):
    limit(3)
    fill(2)
    looked_again()

    fill()

    assert outbox().count() == 3


def test_the_problem_has_a_name_and_says_when_to_come_back():
    problem = problem_from(OutboxFull(retry_after_seconds=RETRY_AFTER_SECONDS))

    assert (problem.status, problem.code, problem.headers) == (503, "outbox_full", {"Retry-After": "5"})


def test_a_unit_of_work_that_records_nothing_is_not_refused(limit):
    limit(1)
    fill()
    looked_again()

    with unit_of_work("shoplet") as work:
        assert work.now


def test_parked_events_count_too(limit):
    limit(1)
    fill()
    with writing("shoplet"):
        outbox().update(parked_at=Clock(), attempts=8)
    looked_again()

    with pytest.raises(OutboxFull):
        fill()


def test_a_full_outbox_takes_events_again_only_when_a_tenth_has_left(limit, caplog):
    limit(20)
    fill(20)
    seen = []
    for leaving in (0, 1, 1, 1):
        send(leaving)
        looked_again()
        backlog.look("shoplet")
        seen.append(backlog.backlog_of("shoplet").is_full)

    assert seen == [True, True, True, False]
    assert [record.levelname for record in caplog.records if "events wait to be sent" in record.message] == [
        "WARNING",
        "WARNING",
    ]


def test_a_cause_is_told_once_however_many_writes_it_refuses(limit, caplog):
    limit(1)
    fill()
    for _ in range(3):
        looked_again()
        with pytest.raises(OutboxFull):
            fill()

    assert caplog.text.count("writes are refused (outbox_full) until fewer than") == 1


def test_the_rows_are_looked_at_at_most_once_a_second():
    clock = HandClock()
    known = Backlog("shoplet", 10, clock=clock)

    with CaptureQueriesContext(connections["shoplet"]) as queries:
        for tenth in range(25):
            clock.seconds = tenth / 10
            known.look()

    assert len(queries) == 3


def test_a_look_that_takes_long_is_taken_less_often(monkeypatch):
    clock = HandClock()
    known = Backlog("shoplet", 10, clock=clock)
    looks = []

    def slowly(count):
        looks.append(clock.seconds)
        clock.seconds += 0.4
        return False

    monkeypatch.setattr(known, "_holds", slowly)
    while clock.seconds < 60:
        known.look()
        clock.seconds += LOOK_SECONDS / 4

    assert len(looks) * 0.4 <= 60 * 0.03


def test_a_look_ends_at_the_limit_in_the_index_of_unsent_events(limit):
    limit(1)
    fill(3)
    send(2)
    looked_again()
    connection = connections["shoplet"]
    with CaptureQueriesContext(connection) as queries:
        backlog.look("shoplet")
    (look,) = [one["sql"] for one in queries]

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # A table this small is read whole, whatever the indexes.
            cursor.execute("SET enable_seqscan = off")
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{look}")
        plan = " ".join(str(row) for row in cursor.fetchall())

    assert "shopletoutbox_pending" in plan
    assert "Sort" not in plan


def test_a_handler_that_cannot_publish_waits_without_spending_attempts_and_is_not_lost(limit):
    limit(1)
    fill()
    looked_again()
    ear, message = Ear(), envelope(uuid4(), 1, "fill")

    ear.hear(message)
    for _ in range(12):
        with writing("shoplet"):
            inbox().update(due=Clock())
        looked_again()
        ear.sweep()

    (row,) = inbox()
    assert (row.state, row.attempts) == ("waiting", 0)
    assert "OutboxFull" in row.reason
    assert heard() == []

    send(1)
    looked_again()
    ear.sweep_until_quiet()

    assert heard() == [(message.subject, 1)]
    assert rows_of("Basket").count() == 2


def test_a_handler_that_cannot_publish_is_not_tried_again_at_once(limit):
    limit(1)
    fill()
    looked_again()
    ear = Ear()

    ear.hear(envelope(uuid4(), 1, "fill"))

    (row,) = inbox()
    assert (row.due - row.received_at).total_seconds() >= RETRY_AFTER_SECONDS


def test_a_handler_that_publishes_nothing_goes_on_while_the_outbox_is_full(limit):
    limit(1)
    fill()
    looked_again()
    message = envelope(uuid4(), 1)

    Ear().hear(message)

    assert heard() == [(message.subject, 1)]


@pytest.mark.django_db(databases=settings.FISSILE["contexts"], transaction=True)
def test_status_and_metrics_tell_that_writes_are_refused(limit):
    limit(1)
    fill()
    looked_again()
    with pytest.raises(OutboxFull):
        fill()
    out = StringIO()

    call_command("outbox", "status", "--json", stdout=out)
    told = json.loads(out.getvalue())
    shown = generate_latest(metrics.registry).decode()

    assert {one["context"]: one["limit"] for one in told["data"]}["shoplet"] == 1
    assert "shoplet: 1 unsent; writes are refused (outbox_full), until fewer than 1" in told["warnings"]
    assert 'fissile_outbox_full{context="shoplet"} 1.0' in shown
    assert 'fissile_outbox_limit{context="shoplet"} 1.0' in shown
    assert 'fissile_outbox_refused_events_total{context="shoplet"}' in shown
