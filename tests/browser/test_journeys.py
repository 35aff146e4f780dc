"""What an operator does at the console, click by click, and what the commands say about it afterwards."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from playwright.sync_api import expect

from fissile.testing.delivery import Unsettled, drain
from fissile_tests.shoplet.models import ShopletInbox, ShopletOutbox

from .rows import CAUSE, EAR, an_event, arrive, broken_scale, dead_letters, heard, work_off
from .seat import twin

pytestmark = pytest.mark.django_db(databases=["operations", *settings.FISSILE["contexts"]])
OUTBOX = "/admin/shoplet/shopletoutbox/"
INBOX = "/admin/shoplet/shopletinbox/"
LANES = "/admin/shoplet/shopletlane/"
CONSUMERS = "/admin/shoplet/shopletconsumer/"
WHY = "the depot has mended its scale"


def outbox():
    return next(one for one in twin("outbox", "status", "--lanes") if one["context"] == "shoplet")


def consumer():
    return next(one for one in twin("inbox", "status") if one["consumer"] == EAR)


def letters():
    return twin("deadletters", "list")


def test_the_link_of_the_command_logs_in(stranger, live_server, settings, tmp_path):
    settings.DEBUG = True
    settings.FISSILE = {**settings.FISSILE, "state_dir": tmp_path}

    page = stranger.open(twin("devlogin", "--base-url", live_server.url)["url"])

    expect(page.get_by_role("heading", level=1)).to_have_text("What this process owns")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Logged out")


def test_a_password_logs_in_and_a_wrong_one_is_told(stranger):
    User.objects.create_superuser("rosa", password="granite-and-slate")
    page = stranger.open("/admin/")
    page.get_by_label("Username").fill("rosa")
    page.get_by_label("Password").fill("wrong-and-late")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".errornote")).to_contain_text("Please enter the correct username and password")

    page.get_by_label("Password").fill("granite-and-slate")
    page.get_by_role("button", name="Log in").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("What this process owns")


def test_the_first_page_leads_to_what_waits_and_to_what_was_given_up(operator):
    an_event()
    dead_letters(2)
    page = operator.open("/admin/")
    row = page.locator(".strip tbody tr", has_text=f"{EAR} inbox")
    expect(row).to_contain_text("parked")

    row.get_by_role("link", name=f"2 dead letters of {EAR}").click()

    expect(page.get_by_role("heading", name="2 dead letters that fit")).to_be_visible()
    page.go_back()
    operator.follow("shoplet outbox")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)


def test_an_event_is_parked_and_retried_and_then_it_leaves(operator):
    event = an_event()
    operator.open(OUTBOX)
    operator.choose("Park selected events", event.aggregate)
    expect(operator.page.get_by_text("1 row.")).to_be_visible()
    assert outbox()["parked"] == 0
    operator.say_why("finance is asked")
    operator.is_told("Park events: 1 done.")
    assert (outbox()["pending"], outbox()["parked"]) == (0, 1)
    with pytest.raises(Unsettled):
        drain()

    operator.choose("Retry selected events", event.aggregate)
    operator.say_why(WHY)
    operator.is_told("Retry events: 1 done.")
    operator.sees_in_the_log("Retried. Was: parked by rosa: finance is asked", WHY)
    drain()

    assert (outbox()["pending"], outbox()["parked"], outbox()["sent"]) == (0, 0, 1)
    operator.open(OUTBOX)
    expect(operator.page.locator("#result_list .field-state")).to_have_text("sent")


def test_a_lane_is_paused_and_resumed_and_its_event_waits_meanwhile(operator):
    event = an_event()
    lane = rf"lane {event.lane}"
    page = operator.open(LANES)
    page.get_by_role("row", name=re.compile(rf"\b{lane}\b")).locator("input.action-select").check()
    operator.choose("Pause selected lanes")
    operator.say_why("the broker is moved")
    operator.is_told("Pause lanes: 1 done.")
    operator.sees_in_the_log("Paused.", "the broker is moved")
    assert outbox()["paused"] == [event.lane]
    with pytest.raises(Unsettled):
        drain()
    assert outbox()["pending"] == 1

    operator.open(f"{LANES}?paused__exact=1")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    page.locator("input.action-select").check()
    operator.choose("Resume selected lanes")
    operator.say_why("it stands again")
    operator.is_told("Resume lanes: 1 done.")
    operator.sees_in_the_log("Resumed.", "it stands again")
    drain()

    assert (outbox()["paused"], outbox()["pending"], outbox()["sent"]) == ([], 0, 1)


def test_from_a_group_to_a_letter_and_back_to_its_replay(operator):
    first, _ = dead_letters(2)
    page = operator.open("/admin/dead-letters/")
    operator.follow(CAUSE)
    page.get_by_role("link", name=f"{first.type} {first.aggregate}@1").click()
    expect(page.locator(".field-payload_shown pre")).to_contain_text("packed")
    page.go_back()

    page.get_by_role("link", name=f"Replay the letters of {EAR}: {CAUSE}").click()
    expect(page.get_by_text("Nothing has been done yet.")).to_be_visible()
    expect(page.get_by_text("2 letters.")).to_be_visible()
    assert letters()["total"] == 2
    operator.say_why(WHY)

    operator.is_told("Replay dead letters: 2 replayed.")
    assert letters()["total"] == 0
    operator.sees_in_the_log("Replayed.", CAUSE, WHY)
    work_off()
    assert (heard(), consumer()["waiting"]) == (3, 0)


def test_a_group_is_discarded_and_what_waited_behind_it_goes_on(operator):
    dead_letters(1)
    page = operator.open("/admin/dead-letters/")
    page.get_by_role("link", name=f"Discard the letters of {EAR}: {CAUSE}").click()
    operator.say_why("a test parcel")

    operator.is_told("Discard dead letters: 1 discarded.")
    assert letters() == {"groups": [], "total": 0}
    operator.sees_in_the_log("Discarded.", "a test parcel")
    work_off()
    assert (heard(), consumer()["waiting"]) == (1, 0)


def test_a_consumer_is_paused_and_resumed_and_stores_meanwhile(operator):
    arrive()
    page = operator.open(CONSUMERS)
    operator.choose("Pause selected consumers", EAR)
    operator.say_why("totals come out wrong")
    operator.is_told("Pause consumers: 1 done.")
    expect(page.locator("#result_list .field-state")).to_have_text("‖ paused")
    operator.sees_in_the_log("Paused.", "totals come out wrong")
    assert (consumer()["paused"], consumer()["paused_by"]) == (True, "rosa")
    arrive(2)
    assert (heard(), consumer()["waiting"]) == (1, 2)

    operator.open(CONSUMERS)
    expect(page.locator("#result_list .field-waiting")).to_have_text("2")
    operator.choose("Resume selected consumers", EAR)
    operator.say_why(WHY)
    operator.is_told("Resume consumers: 1 done.")
    operator.sees_in_the_log("Resumed.", WHY)
    work_off()

    assert (consumer()["paused"], consumer()["waiting"], heard()) == (False, 0, 3)


def test_the_message_that_holds_a_stream_up_is_skipped(operator):
    with broken_scale():
        arrive()
    held = ShopletInbox.objects.get()
    operator.open(INBOX)
    operator.choose("Skip selected messages", held.aggregate)
    operator.say_why("a test parcel")

    operator.is_told("Skip messages: 1 done.")
    operator.sees_in_the_log("Skipped.", "a test parcel")
    assert (consumer()["waiting"], consumer()["parked"], heard()) == (0, 0, 0)


def test_the_browser_sends_nothing_without_a_reason(operator):
    event = an_event()
    page = operator.open(OUTBOX)
    operator.choose("Park selected events", event.aggregate)

    operator.say_why("")

    assert page.get_by_label("Reason").evaluate("field => field.validity.valueMissing")
    assert ShopletOutbox.objects.filter(parked_at=None).count() == 1


@pytest.mark.parametrize("address", [OUTBOX, "/admin/dead-letters/replay/"])
def test_a_reason_of_blanks_is_refused_in_words_and_nothing_is_done(operator, address):
    event = an_event()
    dead_letters(1)
    page = operator.open(address)
    if address == OUTBOX:
        operator.choose("Park selected events", event.aggregate)

    operator.say_why("    ")

    expect(page.get_by_role("alert")).to_have_text("Say why, in at least three letters.")
    assert (outbox()["parked"], letters()["total"]) == (0, 1)
    expect(operator.open("/admin/admin/logentry/").get_by_text("0 log entries")).to_be_visible()
