"""Dead letters by the hundred: asked for by query, replayed at a pace, stopped, given up; each written down."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta
from io import StringIO
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.db import connections
from django.test.utils import CaptureQueriesContext

from fissile.contexts import registry
from fissile.data.clock import Clock
from fissile.data.guard import writing
from fissile.events import dead_letter_repair, dead_letters
from fissile.events.dead_letters import Query
from fissile.events.models import LANES
from fissile.events.outbox_repair import park
from fissile.events.relay.core import Claim, Settle
from fissile.events.relay.store import OutboxStore
from fissile.events.stopping import Stopping
from fissile.messages import uuid7
from fissile_tests.shoplet import consumers, projections

from .baskets import fill, outbox
from .parcels import EAR, Ear, envelope, heard, inbox, parked_rows_that_are_not_heads, rows_of, states, stream

CONTEXTS = [context.name for context in registry.installed()]
pytestmark = pytest.mark.django_db(databases=["operations", *CONTEXTS], transaction=True)
OLD = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def ear():
    return Ear()


def run(*arguments):
    """Return (exit code, the envelope)."""
    out = StringIO()
    try:
        call_command("deadletters", *arguments, "--json", stdout=out, stderr=StringIO())
    except SystemExit as ended:
        return ended.code, json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


def letters_stored(count, **changes):
    """Insert `count` parked messages, each of its own parcel."""
    row = {
        "consumer": EAR, "version": 1, "type": "depot.parcel_packed.v1", "payload": {"note": "x"}, "headers": {},
        "state": "parked", "attempts": 5, "reason": "ValueError: broken", **changes,
    }  # fmt: skip
    model = rows_of("ShopletInbox").model
    with writing("shoplet"):
        rows_of("ShopletInbox").bulk_create(
            [model(**{"aggregate": f"parcel/{uuid7()}", "message_id": uuid7(), **row}) for _ in range(count)]
        )


def parked(ear, length=2):
    """Return the messages of a stream whose first one is a dead letter."""
    messages = stream(length=length, note="raise")
    ear.hear(*messages)
    ear.sweep_until_quiet()
    return messages


def a_parked_event(changes=2, reason="too large"):
    """Return the first of some events of one basket; it is parked."""
    aggregate = f"basket/{fill(changes)}"
    with writing("shoplet"):
        outbox().filter(aggregate=aggregate, version=1).update(attempts=8, parked_at=Clock(), reason=reason)
    return outbox().get(aggregate=aggregate, version=1)


def test_groups_and_counts_and_ids_read_no_payload(monkeypatch):
    monkeypatch.setattr(dead_letters, "PAGE", 500)
    letters_stored(1200)
    a_parked_event()

    with CaptureQueriesContext(connections["shoplet"]) as seen:
        (first, _), total, ids = dead_letters.groups(), dead_letters.count(), list(dead_letters.ids())

    assert (first.count, total, len(set(ids))) == (1200, 1201, 1201)
    assert not [query["sql"] for query in seen if "payload" in query["sql"]]
    # As many for a hundred thousand, but for the pages of ids.
    assert len(seen) < 20


def test_more_causes_than_a_list_can_show_are_counted():
    for number in range(dead_letters.MOST_GROUPS + 2):
        letters_stored(1, reason=f"KeyError: {number}")

    _, told = run("list")

    assert len(told["data"]["groups"]) == dead_letters.MOST_GROUPS
    assert told["data"]["total"] == dead_letters.MOST_GROUPS + 2
    assert told["warnings"][0].startswith("2 more")


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        (Query(), {"parcel/a", "parcel/b", "parcel/c"}),
        (Query(cause="SHELF"), {"parcel/a", "parcel/b"}),
        (Query(cause="shelf", type="depot.parcel_sent.v1"), {"parcel/b"}),
        (Query(aggregate="parcel/c"), {"parcel/c"}),
        (Query(consumer="shoplet.outbox"), set()),
        (Query(since=OLD + timedelta(days=1)), {"parcel/b", "parcel/c"}),
        (Query(until=OLD), set()),
        (Query(since=OLD, until=OLD + timedelta(seconds=1)), {"parcel/a"}),
        (Query(group=dead_letters.group_id(EAR, "KeyError: shelf 7")), {"parcel/a"}),
        (Query(group="0000000000"), set()),
    ],
)
def test_a_query_finds_what_fits_all_of_it(query, fits):
    letters_stored(1, aggregate="parcel/a", reason="KeyError: shelf 7", received_at=OLD)
    letters_stored(1, aggregate="parcel/b", reason="KeyError: shelf 8", type="depot.parcel_sent.v1")
    letters_stored(1, aggregate="parcel/c")

    assert {letter.aggregate for letter in dead_letters.letters(query)} == fits
    assert dead_letters.count(query) == len(list(dead_letters.ids(query))) == len(fits)


def test_a_group_is_replayed_by_its_id_and_nothing_else(ear, monkeypatch):
    broken, _ = parked(ear), letters_stored(1, reason="KeyError: another")
    monkeypatch.setattr(consumers, "_write_down", lambda event, message: projections.hear(message, event.note))
    group = dead_letters.group_id(EAR, "ValueError: this parcel is broken")

    code, told = run("replay", "--group", group, "--reason", "mended in 1.4")
    ear.sweep_until_quiet()

    assert (code, told["data"]["tally"]) == (0, {"replayed": 1})
    assert heard() == [(message.subject, message.aggregateversion) for message in broken]
    assert [letter.reason for letter in dead_letters.letters()] == ["KeyError: another"]


def test_a_group_that_is_gone_is_a_usage_error():
    code, told = run("replay", "--group", "0123456789", "--reason", "mended in 1.4")

    assert (code, told["error"]["id"]) == (2, "deadletters.no_such_dead_letter")


def test_each_replayed_letter_has_its_entry_in_the_operators_log():
    letters_stored(3)

    run("replay", "--consumer", EAR, "--reason", "mended in 1.4", "--per-second", "1000")

    entries = LogEntry.objects.all()
    assert {entry.object_id for entry in entries} == {str(pk) for pk in inbox().values_list("pk", flat=True)}
    assert {entry.user.username.partition(":")[0] for entry in entries} == {"shell"}
    assert {entry.change_message for entry in entries} == {"Replayed. Was: ValueError: broken. Reason: mended in 1.4"}


@pytest.mark.parametrize("verb", ["replay", "discard"])
def test_a_dry_run_of_many_says_how_many_and_leaves_rows_and_log_alone(verb):
    letters_stored(3)
    before = list(inbox().values())

    code, told = run(verb, "--cause", "broken", "--reason", "to see it", "--dry-run")

    assert (code, told["data"]["tally"]) == (0, {f"would {verb}": 3})
    assert list(inbox().values()) == before
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_who_stops_a_replay_half_way_leaves_whole_letters_and_is_told_what_is_left(monkeypatch, by):
    letters_stored(5)
    replay = dead_letter_repair.replay

    def interrupted(letter, **options):
        if len(LogEntry.objects.all()) == 1:
            signal.raise_signal(by)
        return replay(letter, **options)

    monkeypatch.setattr(dead_letter_repair, "replay", interrupted)

    code, told = run("replay", "--all", "--reason", "mended in 1.4", "--per-second", "1000")

    assert (code, told["ok"]) == (130, False)
    assert (told["data"]["tally"], told["data"]["left"]) == ({"replayed": 2}, 3)
    assert "3 of 5" in told["warnings"][0]
    assert (inbox().filter(state="waiting").count(), LogEntry.objects.count()) == (2, 2)

    monkeypatch.undo()
    assert run("replay", "--all", "--reason", "go on")[1]["data"]["tally"] == {"replayed": 3}


def test_the_pace_is_kept_and_what_was_late_brings_no_burst(monkeypatch):
    now, waits = [100.0], []

    class Patient(Stopping):
        def wait(self, timeout=None):
            waits.append(round(timeout, 3))
            now[0] += timeout
            return False

    monkeypatch.setattr(dead_letter_repair, "time", SimpleNamespace(monotonic=lambda: now[0]))
    for letter in dead_letter_repair.paced("abcd", 10, Patient()):
        now[0] += {"a": 0.02, "b": 0.5}.get(letter, 0.0)

    assert waits == [0.0, 0.08, 0.0, 0.1]


def test_nothing_more_is_begun_once_a_stop_is_asked_for():
    stopping, taken = Stopping(), []
    for letter in dead_letter_repair.paced("abc", 1000, stopping):
        taken.append(letter)
        stopping.ask()

    assert taken == ["a"]


def test_letters_that_are_parked_again_are_not_met_twice_by_one_replay(ear):
    for _ in range(3):
        parked(ear, length=1)
    met = []
    for letter_id in dead_letters.ids():
        met.append(letter_id)
        dead_letter_repair.replay(dead_letters.find(letter_id), reason="hope", operator="rosa")
        ear.sweep_until_quiet()

    assert len(met) == 3
    assert dead_letters.count() == 3


def test_a_discarded_message_lets_its_stream_go_on_and_stays_readable(ear):
    parcel = uuid4()
    ear.hear(envelope(parcel, 1, note="raise"), envelope(parcel, 2), envelope(parcel, 3))
    ear.sweep_until_quiet()
    (letter,) = dead_letters.letters()

    code, told = run("discard", letter.id, "--reason", "a test parcel", "--yes")
    ear.sweep_until_quiet()

    assert (code, told["data"]["results"]) == (0, {letter.id: "discarded"})
    assert [version for _, version in heard()] == [2, 3]
    row = dead_letters.find(letter.id)
    assert (row.state, row.payload["note"]) == ("applied", "raise")
    assert "a test parcel" in row.reason
    assert "Was: ValueError" in LogEntry.objects.get().change_message
    assert not parked_rows_that_are_not_heads()


def test_a_letter_that_was_replayed_meanwhile_is_not_discarded(ear):
    messages = parked(ear)
    (letter,) = dead_letters.letters()
    dead_letter_repair.replay(letter, reason="mended", operator="rosa")

    outcome = dead_letter_repair.discard(letter, reason="too late", operator="tom")

    assert outcome == "not parked any more"
    assert states(messages[0].subject)[1] == "waiting"


@pytest.mark.parametrize("arguments", [["shoplet:1"], ["--all"]])
def test_a_discard_that_nobody_can_confirm_is_refused(arguments):
    letters_stored(1)

    code, told = run("discard", *arguments, "--reason", "a test parcel")

    assert (code, told["error"]["id"]) == (5, "deadletters.unconfirmed")
    assert "--yes" in told["error"]["hint"]
    assert inbox().filter(state="parked").count() == 1


def test_a_discarded_event_leaves_as_a_tombstone_in_its_place_and_keeps_what_it_was():
    row = a_parked_event()
    letter_id = f"shoplet:outbox:{row.seq}"

    code, told = run("discard", letter_id, "--reason", "nobody needs it", "--yes")

    assert (code, told["data"]["tally"]) == (0, {"discarded": 1})
    sent = _sent_by_a_relay()
    assert [(one.id, one.version, one.type) for one in sent] == [
        (row.id, 1, "tombstone"), (sent[1].id, 2, "shoplet.basket_emptied.v1"),
    ]  # fmt: skip
    assert sent[0].payload == "{}"
    story = dead_letters.find(letter_id).headers["discarded"]
    assert (story["type"], story["payload"], story["cause"]) == (row.type, row.payload, "too large")
    assert (story["reason"], bool(story["by"])) == ("nobody needs it", True)


def test_a_relay_that_had_the_event_in_hand_cannot_mark_its_tombstone_as_sent():
    aggregate = f"basket/{fill()}"
    row = outbox().get(aggregate=aggregate)
    store = OutboxStore("shoplet")
    store.claim(Claim({}, 1))
    fences = store.acquire("slow", range(LANES))
    store.claim(Claim(fences, 10))
    park(row, reason="wrong amount", operator="rosa")
    dead_letter_repair.discard(
        dead_letters.find(f"shoplet:outbox:{row.seq}"), reason="nobody needs it", operator="rosa"
    )

    lost, _ = store.settle(Settle(fences, (str(row.id),), (), (), ""))

    assert lost == {row.lane}
    assert [(one.id, one.type) for one in _sent_by_a_relay()] == [(row.id, "tombstone")]


def test_a_tombstone_of_an_event_that_got_through_after_all_is_a_duplicate(ear):
    message = envelope(uuid4(), 1)
    ear.hear(message)

    ear.hear(envelope(uuid4(), 1, id=message.id, subject=message.subject, type="tombstone", data={}))

    assert heard() == [(message.subject, 1)]
    assert ear.shell.counts["duplicate"] == 1
    assert dead_letters.letters() == []


def test_an_event_parked_by_hand_has_an_attempt_so_that_relays_see_the_trouble():
    row = outbox().get(aggregate=f"basket/{fill()}")

    park(row, reason="wrong amount", operator="rosa")

    row.refresh_from_db()
    assert row.attempts == 1
    assert [letter.message_id for letter in dead_letters.letters()] == [str(row.id)]


def _sent_by_a_relay():
    store = OutboxStore("shoplet")
    store.claim(Claim({}, 1))
    rows, _ = store.claim(Claim(store.acquire("test", range(LANES)), 100))
    return rows
