"""`outbox retry` and `outbox park`: what becomes of events, what is written down, what is refused."""

from __future__ import annotations

import json
from io import StringIO
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.db import OperationalError

from fissile.contexts import registry
from fissile.data.clock import Clock
from fissile.data.guard import writing
from fissile.events import outbox_repair
from fissile.events.lanes import ensure_lanes
from fissile.events.models import LANES
from fissile.events.relay.core import Claim
from fissile.events.relay.store import OutboxStore

from .baskets import fill, outbox

CONTEXTS = [context.name for context in registry.installed()]
pytestmark = pytest.mark.django_db(databases=["operations", *CONTEXTS], transaction=True)


def run(*arguments):
    """Return (exit code, the envelope)."""
    out = StringIO()
    try:
        call_command("outbox", *arguments, "--json", stdout=out, stderr=StringIO())
    except SystemExit as ended:
        return ended.code, json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


def an_event(**changes):
    """Return an event's row, in the state that the changes make."""
    basket = fill()
    with writing("shoplet"):
        outbox().filter(aggregate=f"basket/{basket}").update(**changes)
    return outbox().get(aggregate=f"basket/{basket}")


def a_parked_event():
    return an_event(attempts=8, parked_at=Clock(), reason="too large")


def an_event_that_backs_off():
    return an_event(attempts=3, next_at="2099-01-01T00:00Z", reason="nack")


def outcomes(told):
    return {event["id"]: event["outcome"] for event in told["data"]["events"]}


def claimed_aggregates():
    """Return what a relay would send next."""
    store = OutboxStore("shoplet")
    ensure_lanes("shoplet")
    fences = store.acquire("test", range(LANES))
    rows, _ = store.claim(Claim(fences, 100))
    store.release(fences)
    return [row.aggregate for row in rows]


@pytest.mark.parametrize("make", [a_parked_event, an_event_that_backs_off])
def test_a_retried_event_has_all_its_attempts_again_and_is_due_at_once(make):
    row = make()

    code, told = run("retry", "shoplet", str(row.seq), "--reason", "the broker takes 8 MB now")

    row.refresh_from_db()
    assert (code, outcomes(told)) == (0, {f"shoplet:outbox:{row.seq}": "retried"})
    assert (row.attempts, row.next_at, row.parked_at, row.reason) == (0, None, None, "")
    assert claimed_aggregates() == [row.aggregate]


@pytest.mark.parametrize("name", [lambda row: f"shoplet:outbox:{row.seq}", lambda row: str(row.id)])
def test_an_event_is_named_by_its_letter_or_its_message_id_too(name):
    row = a_parked_event()

    code, told = run("retry", "shoplet", name(row), "--reason", "mended")

    assert (code, told["data"]["tally"]) == (0, {"retried": 1})


def test_all_in_trouble_are_retried_and_the_rest_is_left_alone():
    parked, backing_off, pending, sent = (
        a_parked_event(), an_event_that_backs_off(), an_event(), an_event(sent_at=Clock()),
    )  # fmt: skip
    untouched = list(outbox().filter(seq__in=[pending.seq, sent.seq]).order_by("seq").values())

    _, told = run("retry", "shoplet", "--all", "--reason", "mended")

    assert set(outcomes(told)) == {f"shoplet:outbox:{row.seq}" for row in (parked, backing_off)}
    assert list(outbox().filter(seq__in=[pending.seq, sent.seq]).order_by("seq").values()) == untouched


def test_one_aggregate_can_be_retried_by_itself():
    parked, other = a_parked_event(), a_parked_event()

    run("retry", "shoplet", "--aggregate", parked.aggregate, "--reason", "mended")

    other.refresh_from_db()
    assert other.parked_at is not None


def test_retrying_twice_changes_nothing_the_second_time():
    row = a_parked_event()
    run("retry", "shoplet", str(row.seq), "--reason", "mended")
    before = outbox().values().get()

    code, told = run("retry", "shoplet", str(row.seq), "--reason", "mended")

    assert (code, told["data"]["tally"]) == (0, {"not in trouble": 1})
    assert outbox().values().get() == before
    assert LogEntry.objects.count() == 1


def test_a_parked_event_holds_back_its_aggregate_and_nobody_else():
    basket, other = fill(2), fill()
    first = outbox().get(aggregate=f"basket/{basket}", version=1)

    code, told = run("park", "shoplet", str(first.id), "--reason", "wrong amount")

    first.refresh_from_db()
    assert (code, told["data"]["tally"]) == (0, {"parked": 1})
    assert "wrong amount" in first.reason
    assert claimed_aggregates() == [f"basket/{other}"]
    assert told["next"] == [f"manage.py outbox retry shoplet {first.seq}"]


def test_what_was_parked_by_hand_comes_back_by_a_retry():
    row = an_event()
    run("park", "shoplet", str(row.seq), "--reason", "wait for the auditors")

    run("retry", "shoplet", str(row.seq), "--reason", "they are done")

    assert claimed_aggregates() == [row.aggregate]


@pytest.mark.parametrize(
    ("make", "outcome"), [(a_parked_event, "parked already"), (lambda: an_event(sent_at=Clock()), "sent already")]
)
def test_what_is_parked_or_sent_is_not_parked(make, outcome):
    row = make()
    before = outbox().values().get()

    _, told = run("park", "shoplet", str(row.seq), "--reason", "to be sure")

    assert outcomes(told) == {f"shoplet:outbox:{row.seq}": outcome}
    assert outbox().values().get() == before


@pytest.mark.parametrize(("verb", "outcome"), [("retry", "would retry"), ("park", "parked already")])
def test_a_dry_run_says_what_would_be_and_leaves_rows_and_log_alone(verb, outcome):
    row = a_parked_event()
    before = outbox().values().get()

    _, told = run(verb, "shoplet", str(row.seq), "--reason", "to see", "--dry-run")

    assert outcomes(told) == {f"shoplet:outbox:{row.seq}": outcome}
    assert outbox().values().get() == before
    assert not LogEntry.objects.exists()


def test_a_command_leaves_one_entry_in_the_operators_log():
    rows = [a_parked_event(), a_parked_event()]

    run("retry", "shoplet", "--all", "--reason", "the broker takes 8 MB now")

    entry = LogEntry.objects.get()
    assert entry.user.username.startswith("shell:")
    assert not entry.user.is_active
    assert not entry.user.has_usable_password()
    assert "the broker takes 8 MB now" in entry.change_message
    assert all(f"shoplet:outbox:{row.seq} (too large)" in entry.change_message for row in rows)


@pytest.mark.parametrize("given", ["999", "shoplet:outbox:999", str(uuid4()), "basket/7", "²", "9" * 30])
def test_an_unknown_event_is_a_usage_error_with_the_way_on(given):
    code, told = run("park", "shoplet", given, "--reason", "because")

    assert (code, told["error"]["id"]) == (2, "outbox.no_such_event")
    assert "manage.py outbox status" in told["error"]["hint"]


def test_a_context_without_an_outbox_is_a_usage_error_that_names_those_with_one():
    code, told = run("retry", "bff", "--all", "--reason", "because")

    assert (code, told["error"]["id"]) == (2, "outbox.unknown")
    assert "shoplet" in told["error"]["where"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["retry", "shoplet", "--all"],
        ["retry", "shoplet", "--all", "--reason", " x "],
        ["retry", "shoplet", "--reason", "which one?"],
        ["retry", "shoplet", "7", "--all", "--reason", "both"],
        ["park", "shoplet", "--reason", "which one?"],
        ["nonsense"],
    ],
)
def test_a_malformed_command_line_is_refused(arguments):
    with pytest.raises(CommandError):
        call_command("outbox", *arguments)


def test_an_unreachable_database_is_exit_code_four(monkeypatch):
    def gone(context, given):
        raise OperationalError("connection refused")

    monkeypatch.setattr(outbox_repair, "find", gone)

    code, told = run("park", "shoplet", "7", "--reason", "because")

    assert (code, told["error"]["id"]) == (4, "outbox.database_unreachable")
