"""Lanes as an operator meets them: how each stands, and holding some up."""

from __future__ import annotations

import json
import logging
from io import StringIO

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command

from fissile.events import figures
from fissile.events.lanes import NoSuchLane, pause, resume
from fissile.events.models import LANES, lane_of
from fissile.events.outbox import status_of
from fissile.events.relay.core import Claim
from fissile.events.relay.store import OutboxStore

from .baskets import fill, lane, outbox

pytestmark = pytest.mark.django_db(databases=["operations", *settings.FISSILE["contexts"]], transaction=True)


def relay(name, lanes):
    store = OutboxStore("shoplet")
    store.claim(Claim({}, 1))
    return store.acquire(name, lanes)


def test_each_lane_says_what_waits_in_it_and_who_holds_it():
    baskets = [fill(2) for _ in range(10)]
    relay("a", range(10))
    relay("b", range(10, 14))

    found = status_of("shoplet")

    assert found.owners == {"a": 10, "b": 4}
    assert found.lease_seconds == 0.0
    for one in found.lanes:
        assert one.pending == 2 * sum(lane_of(f"basket/{basket}") == one.lane for basket in baskets)
        assert (one.oldest_seconds is None) == (one.pending == 0)
        assert one.owner == ("a" if one.lane < 10 else "b" if one.lane < 14 else "")
    assert (found.pending, sum(one.pending for one in found.lanes)) == (20, 20)


def test_an_outbox_that_no_relay_ever_saw_has_all_its_lanes_free():
    found = status_of("shoplet")

    assert (len(found.lanes), found.owners, found.paused, found.lease_seconds) == (LANES, {}, (), 0.0)


def test_lanes_are_paused_with_a_reason_and_once(caplog):
    with caplog.at_level(logging.WARNING):
        assert pause("shoplet", [3, 4], reason="depot is closed", operator="rosa") == (3, 4)
        assert pause("shoplet", [4, 5], reason="the same again", operator="ivo") == (5,)

    found = status_of("shoplet")
    assert found.paused == (3, 4, 5)
    assert [found.lanes[number].reason for number in (4, 5)] == [
        "paused by rosa: depot is closed", "paused by ivo: the same again",
    ]  # fmt: skip
    assert "lanes 3, 4 paused by rosa: depot is closed" in caplog.text


def test_a_context_is_paused_and_resumed_as_a_whole():
    assert pause("shoplet", reason="moving house", operator="rosa") == tuple(range(LANES))
    assert relay("a", range(LANES)) == {}
    assert resume("shoplet", reason="moved", operator="rosa") == tuple(range(LANES))

    assert len(relay("a", range(LANES))) == LANES
    assert {one.reason for one in lane()} == {"resumed by rosa: moved"}


def test_a_lane_that_does_not_exist_is_refused_and_nothing_is_paused():
    with pytest.raises(NoSuchLane, match="shoplet has no lane 16; its lanes are 0 to 15"):
        pause("shoplet", [3, 16], reason="a slip", operator="rosa")

    assert status_of("shoplet").paused == ()


def run(*arguments):
    out, said = StringIO(), StringIO()
    call_command("outbox", *arguments, stdout=out, stderr=said)
    return out.getvalue(), said.getvalue()


def test_the_command_pauses_a_lane_and_the_status_says_so_in_one_line_per_context():
    fill()
    held = relay("house:1:abc", range(LANES))
    number = outbox().get().lane

    text, _ = run("pause", "shoplet", "--lane", str(number), "--reason", "depot is closed")
    status, warnings = run("status")
    each, _ = run("status", "--lanes")

    assert len(held) == LANES
    assert text == f"shoplet: paused lanes: {number}\n"
    (line,) = [line for line in status.splitlines() if line.startswith("shoplet ")]
    assert line.endswith("house:1:abc 16, paused 1")
    assert f"shoplet, lanes {number}: paused by" in warnings
    assert len([line for line in each.splitlines() if line.startswith("shoplet ")]) == 1 + LANES


def test_a_dry_run_names_the_lanes_and_changes_none():
    pause("shoplet", [3], reason="depot is closed", operator="rosa")

    holding, _ = run("pause", "shoplet", "--lane", "3", "--lane", "4", "--reason", "depot is closed", "--dry-run")
    letting_go, _ = run("resume", "shoplet", "--reason", "depot is open", "--dry-run")

    assert (holding, letting_go) == ("shoplet: would pause lanes: 4\n", "shoplet: would resume lanes: 3\n")
    assert status_of("shoplet").paused == (3,)
    assert not LogEntry.objects.exists()


def test_the_log_says_who_paused_what_and_why_once():
    for _ in range(2):
        run("pause", "shoplet", "--lane", "3", "--lane", "4", "--reason", "depot is closed")

    (entry,) = LogEntry.objects.all()
    assert entry.object_repr == "shoplet: lanes 3, 4"
    assert "Paused lanes 3, 4. Reason: depot is closed" in str(entry.change_message)


def test_the_status_in_json_has_every_lane():
    relay("a", range(4))
    run("pause", "shoplet", "--lane", "9", "--lane", "3", "--reason", "depot is closed")

    text, _ = run("status", "--json")

    (found,) = [one for one in json.loads(text)["data"] if one["context"] == "shoplet"]
    assert (found["owners"], found["paused"]) == ({"a": 4}, [3, 9])
    assert [one["lane"] for one in found["lanes"]] == list(range(LANES))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(("pause", "nowhere"), "no outbox of 'nowhere'"), (("resume", "shoplet", "--lane", "99"), "no lane 99")],
)
def test_a_slip_of_the_hand_is_answered_with_what_there_is(arguments, says):
    with pytest.raises(CommandError, match=says) as caught:
        run(*arguments, "--reason", "a slip")

    assert caught.value.returncode == 2


def test_relays_paused_lanes_and_what_waits_in_each_are_metrics():
    fill()
    relay("a", range(8))
    pause("shoplet", [15], reason="depot is closed", operator="rosa")

    found = {
        (sample.name, sample.labels.get("lane", "")): sample.value
        for metric in figures.collect()
        for sample in metric.samples
        if sample.labels["context"] == "shoplet"
    }

    assert found["fissile_outbox_relays", ""] == 1
    assert found["fissile_outbox_paused_lanes", ""] == 1
    assert found["fissile_outbox_lane_pending", str(outbox().get().lane)] == 1
    assert sum(value for (name, _), value in found.items() if name == "fissile_outbox_lane_pending") == 1
