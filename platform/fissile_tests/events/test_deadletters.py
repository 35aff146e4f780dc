"""Dead letters: grouped, shown, replayed; the command's streams, envelope and exit codes."""

from __future__ import annotations

import json
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from fissile.contexts import registry
from fissile.data.clock import Clock
from fissile.data.guard import writing
from fissile.events import dead_letter_repair, dead_letters
from fissile.messages import encode_envelope
from fissile_tests.shoplet import consumers, projections

from .parcels import TRACE, Arrival, Ear, envelope, heard, inbox, parked_rows_that_are_not_heads, rows_of, stream

# Dead letters are looked for in every context of the process.
CONTEXTS = [context.name for context in registry.installed()]
pytestmark = pytest.mark.django_db(databases=["operations", *CONTEXTS], transaction=True)


@pytest.fixture
def ear():
    return Ear()


@pytest.fixture
def parked(ear):
    """Return the messages of two streams whose first one is parked."""
    streams = [stream(length=2, note="raise") for _ in range(2)]
    for one in streams:
        ear.hear(*one)
    ear.sweep_until_quiet()
    return streams


@pytest.fixture
def cure(monkeypatch):
    """Return a function that deploys the fix: the note is no longer a trouble."""
    return lambda: monkeypatch.setattr(
        consumers, "_write_down", lambda event, message: projections.hear(message, event.note)
    )


def run(*arguments):
    """Return (exit code, what is on standard output)."""
    out = StringIO()
    try:
        call_command("deadletters", *arguments, stdout=out, stderr=StringIO())
    except SystemExit as ended:
        return ended.code, out.getvalue()
    return 0, out.getvalue()


def run_json(*arguments):
    code, printed = run(*arguments, "--json")
    return code, json.loads(printed)


def replay_all(reason="fixed"):
    """Return what became of each letter."""
    return {
        letter.id: dead_letter_repair.replay(letter, reason=reason, operator="rosa")
        for letter in dead_letters.letters()
    }


def letter_ids():
    return [letter.id for letter in dead_letters.letters()]


@pytest.mark.usefixtures("parked")
def test_letters_are_grouped_by_consumer_and_reason_with_what_waits_behind():
    (group,) = dead_letters.groups()

    assert (group.consumer, group.cause) == ("shoplet.depot", "ValueError: this parcel is broken")
    assert (group.count, group.behind) == (2, 2)
    oldest, newest = dead_letters.letters()
    assert (group.first_seen, group.last_seen) == (oldest.received_at, newest.received_at)


def test_a_replayed_letter_is_applied_and_its_successors_follow(ear, parked, cure):
    cure()
    results = replay_all()
    ear.sweep_until_quiet()

    assert set(results.values()) == {"replayed"}
    assert sorted(heard()) == sorted((message.subject, message.aggregateversion) for one in parked for message in one)
    assert dead_letters.letters() == []


@pytest.mark.usefixtures("parked")
def test_a_letter_replayed_before_the_fix_comes_back_after_as_many_attempts(ear):
    replay_all()
    ear.sweep_until_quiet()

    assert {(letter.attempts, letter.reason) for letter in dead_letters.letters()} == {
        (5, "ValueError: this parcel is broken")
    }
    assert not parked_rows_that_are_not_heads()


@pytest.mark.usefixtures("parked")
def test_replaying_twice_changes_nothing_the_second_time():
    chosen = dead_letters.letters()
    replay_all()
    before = list(inbox().values())

    # As two operators would, who have both looked before either acts.
    again = [dead_letter_repair.replay(letter, reason="twice", operator="rosa") for letter in chosen]

    assert set(again) == {"not parked any more"}
    assert list(inbox().values()) == before


@pytest.mark.usefixtures("parked")
def test_what_was_applied_meanwhile_is_not_applied_again():
    (letter, _) = dead_letters.letters()
    with writing("shoplet"):
        rows_of("ShopletPosition").filter(aggregate=letter.aggregate).update(applied_version=1)

    assert dead_letter_repair.replay(letter, reason="late", operator="rosa") == "already applied"


@pytest.mark.usefixtures("parked")
def test_a_dry_run_changes_nothing():
    before = list(inbox().values())

    code, told = run_json("replay", "--all", "--dry-run", "--reason", "to see it")

    assert code == 0
    assert told["data"]["tally"] == {"would replay": 2}
    assert list(inbox().values()) == before


def test_an_unreadable_letter_that_can_be_read_by_now_takes_its_place_in_the_stream(ear):
    message = envelope(uuid4(), 1)
    ear.hear(Arrival(body=encode_envelope(message), content_type="application/octet-stream"))
    (letter,) = dead_letters.letters()
    letter.payload["content_type"] = "application/json"
    with writing("shoplet"):
        rows_of("ShopletInbox").update(payload=letter.payload)

    replay_all()
    ear.sweep_until_quiet()

    assert heard() == [(message.subject, 1)]
    assert dead_letters.letters() == []


def test_an_unreadable_letter_that_still_cannot_be_read_is_parked_again(ear):
    ear.hear(Arrival(body=b"{"))

    replay_all()
    ear.sweep_until_quiet()

    (letter,) = dead_letters.letters()
    assert letter.reason.startswith("UndecodableMessage")


def test_a_forked_letter_is_parked_again_because_its_place_is_taken(ear):
    parcel = uuid4()
    ear.hear(envelope(parcel, 1))
    ear.hear(envelope(parcel, 1))

    replay_all()
    ear.sweep_until_quiet()

    assert dead_letters.letters()[0].reason.startswith("ForkedHistory")
    assert len(heard()) == 1


def test_a_parked_outbox_row_is_listed_and_can_be_replayed():
    with writing("shoplet"):
        row = rows_of("ShopletOutbox").create(
            aggregate="basket/1", version=1, lane=0, type="shoplet.basket_filled.v1", payload={}, headers={},
            attempts=5, parked_at=Clock(), reason="too large",
        )  # fmt: skip

    assert letter_ids() == [f"shoplet:outbox:{row.seq}"]
    assert run("replay", f"shoplet:outbox:{row.seq}", "--reason", "the broker takes 8 MB now")[0] == 0
    row.refresh_from_db()
    assert (row.parked_at, row.attempts) == (None, 0)


@pytest.mark.usefixtures("parked")
def test_the_list_is_one_json_document_in_the_house_envelope():
    code, told = run_json("list")

    assert code == 0
    assert (told["schema"], told["command"], told["ok"]) == ("cli/1", "deadletters list", True)
    assert told["data"]["total"] == 2
    assert told["data"]["groups"][0]["example"] == letter_ids()[0]
    assert told["warnings"] == []
    assert told["next"]


@pytest.mark.usefixtures("parked")
def test_one_letter_is_shown_with_payload_headers_and_trace():
    code, told = run_json("show", letter_ids()[0])

    assert code == 0
    assert told["data"]["trace_id"] == TRACE
    assert told["data"]["payload"]["note"] == "raise"
    assert told["data"]["headers"]["correlationid"].startswith("correlation-of-")
    assert told["next"] == [f"manage.py traces show {TRACE}"]


@pytest.mark.usefixtures("parked")
def test_people_read_reasons_and_ids():
    assert "ValueError: this parcel is broken" in run("list")[1]
    assert TRACE in run("show", letter_ids()[0])[1]


@pytest.mark.parametrize(
    "letter_id", ["shoplet:999", "nobody:1", "shoplet", "shoplet:x", "shoplet:²", "shoplet:outbox:1"]
)
def test_an_unknown_letter_is_a_usage_error_with_the_way_on(letter_id):
    code, told = run_json("show", letter_id)

    assert code == 2
    assert not told["ok"]
    assert told["error"]["id"] == "deadletters.no_such_dead_letter"
    assert told["error"]["hint"] == "manage.py deadletters list"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["list", "--nonsense"],
        ["list", "--since", "yesterday"],
        ["replay", "--reason", "why not"],
        ["replay", "shoplet:1", "--all", "--reason", "why not"],
        ["replay", "--all"],
        ["replay", "--all", "--reason", "ok"],
        ["replay", "--all", "--reason", "why not", "--per-second", "0"],
        ["discard", "shoplet:1", "--yes"],
    ],
)
def test_a_malformed_command_line_is_refused(arguments):
    with pytest.raises(CommandError):
        call_command("deadletters", *arguments)


def test_an_unreachable_database_is_exit_code_four(monkeypatch):
    def gone(query):
        raise OperationalError("connection refused")

    monkeypatch.setattr(dead_letters, "count", gone)

    code, told = run_json("list")

    assert code == 4
    assert told["error"]["id"] == "deadletters.database_unreachable"


@pytest.mark.usefixtures("parked")
def test_the_reason_of_a_replay_is_kept_in_the_log_and_on_the_row(caplog):
    run("replay", "--consumer", "shoplet.depot", "--reason", "fixed in 1.4")

    assert "fixed in 1.4" in caplog.text
    assert set(inbox().filter(version=1).values_list("reason", flat=True)) == {"replayed: fixed in 1.4"}
