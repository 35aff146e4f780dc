"""Journeys of an operator over the real pages: find dead letters, look, say why, and see what became of them.

Forms are parsed and sent as they were rendered; no browser runs, and so no script does.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from fissile.console import letters
from fissile.data.guard import writing
from fissile.events import dead_letters
from fissile.messages import uuid7
from fissile_tests.shoplet.models import ShopletConsumer, ShopletInbox, ShopletLane, ShopletOutbox, ShopletPosition

from .browsing import Page, Person, barriers

pytestmark = pytest.mark.django_db(databases=["operations", *settings.FISSILE["contexts"]])
EAR = "shoplet.depot"
WHY = "mended in 1.4"
OLD = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)


def a_letter(reason="ValueError: broken", **changes):
    row = {"consumer": EAR, "message_id": uuid7(), "aggregate": f"parcel/{uuid7()}", "version": 1, "payload": {}}
    with writing("shoplet"):
        return ShopletInbox.objects.create(
            **{**row, "type": "depot.parcel_packed.v1", "headers": {}, "state": "parked", "reason": reason, **changes}
        )


def a_parked_event():
    row = {"aggregate": f"basket/{uuid7()}", "version": 1, "lane": 0, "type": "shoplet.basket_filled.v1"}
    trouble = {"attempts": 8, "parked_at": OLD, "reason": "too large"}
    with writing("shoplet"):
        return ShopletOutbox.objects.create(**row, payload={"things": 1}, headers={}, **trouble)


def logged_in(client, user):
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return Person(client)


@pytest.fixture
def operator(client):
    return logged_in(client, User.objects.create_superuser("op"))


def with_permissions(client, *names):
    user = User.objects.create_user("tom", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return logged_in(client, user)


def state(row):
    return ShopletInbox.objects.get(pk=row.pk).state


def test_from_the_first_page_to_a_replayed_group(operator):
    ours, other = [a_letter(), a_letter()], a_letter("KeyError: another")

    operator.open("/admin/")
    operator.follow("3 dead letters of shoplet.depot")
    page = operator.follow(f"Replay the letters of {EAR}: ValueError: broken")
    assert "2 letters." in page.text
    assert "Nothing has been done yet." in page.text
    assert [state(row) for row in ours] == ["parked", "parked"]
    page = operator.submit(reason=WHY, per_second="1000")

    assert "Replay dead letters: 2 replayed." in page.text
    assert "1 dead letter" in page.text
    assert [state(row) for row in (*ours, other)] == ["waiting", "waiting", "parked"]
    entries = LogEntry.objects.all()
    assert {(entry.user.username, entry.object_id) for entry in entries} == {("op", str(row.pk)) for row in ours}
    assert {entry.change_message for entry in entries} == {f"Replayed. Was: ValueError: broken. Reason: {WHY}"}


def test_what_was_done_to_a_letter_stands_in_its_rows_history(operator):
    row = a_letter()
    operator.open(reverse("admin:dead_letters_act", args=["discard"]))
    operator.submit(reason="a test parcel", per_second="10")

    page = operator.open(reverse("admin:shoplet_shopletinbox_history", args=[row.pk]))

    assert "Discarded. Was: ValueError: broken. Reason: a test parcel" in page.text


def test_a_discarded_message_frees_its_stream_and_stays_readable(operator):
    head = a_letter()
    behind = a_letter(aggregate=head.aggregate, version=2, state="waiting")
    operator.open("/admin/dead-letters/")
    operator.follow(f"Discard the letters of {EAR}: ValueError: broken")

    page = operator.submit(reason="a test parcel", per_second="10")

    assert "1 discarded" in page.text
    head.refresh_from_db()
    behind.refresh_from_db()
    assert (head.state, head.reason) == ("applied", "skipped by op: a test parcel")
    assert behind.due is not None


def test_a_discarded_event_leaves_as_a_tombstone(operator):
    row = a_parked_event()
    operator.open("/admin/dead-letters/?consumer=shoplet.outbox")
    operator.follow("Discard the letters of shoplet.outbox: too large")
    operator.submit(reason="nobody needs it", per_second="10")

    row.refresh_from_db()
    assert (row.type, row.payload, row.parked_at) == ("tombstone", {}, None)
    assert row.headers["discarded"]["by"] == "op"


@pytest.mark.parametrize(
    ("filled", "fits"),
    [
        ({"cause": "shelf"}, {"parcel/a"}),
        ({"consumer": "shoplet.outbox"}, set()),
        ({"aggregate": "parcel/b"}, {"parcel/b"}),
        ({"type": "depot.parcel_sent.v1"}, {"parcel/b"}),
        ({"until": "2026-01-01T12:31"}, {"parcel/a"}),
        ({"since": "2026-01-01T12:31"}, {"parcel/b"}),
    ],
)
def test_the_filter_narrows_the_page_and_what_is_done_from_it(operator, filled, fits):
    a_letter("KeyError: shelf 7", aggregate="parcel/a", received_at=OLD)
    a_letter(aggregate="parcel/b", type="depot.parcel_sent.v1")
    operator.open("/admin/dead-letters/")

    page = operator.submit(**filled)

    assert f"{len(fits)} dead letter" in page.text
    if fits:
        page = operator.follow("Replay…")
        assert {name for name in ("parcel/a", "parcel/b") if name in page.text} == fits


def test_a_time_that_cannot_be_read_shows_nothing_and_says_so(operator):
    a_letter()

    page = operator.open("/admin/dead-letters/?since=yesterday")

    assert "Enter a valid date/time." in page.text
    assert "0 dead letters" in page.text


@pytest.mark.parametrize("filled", [{"reason": ""}, {"reason": "ok"}, {"reason": WHY, "per_second": "0"}])
def test_without_a_reason_or_a_pace_nothing_is_done(operator, filled):
    row = a_letter()
    operator.open("/admin/dead-letters/replay/")

    page = operator.submit(**filled)

    assert [one for one in page.all("span", "p") if one.attributes.get("role") == "alert"]
    assert state(row) == "parked"
    assert not LogEntry.objects.exists()


def test_what_does_not_fit_into_one_push_is_left_and_said_and_done_by_the_next(operator, monkeypatch):
    monkeypatch.setattr(letters, "MOST_AT_ONCE", 2)
    for _ in range(3):
        a_letter()
    operator.open("/admin/dead-letters/replay/")

    page = operator.submit(reason=WHY, per_second="1000")
    assert "2 replayed. 1 are left, untouched" in page.text
    assert page.form_with("reason").fields["reason"] == [WHY]
    page = operator.submit(per_second="1000")

    assert "1 replayed." in page.text
    assert not dead_letters.count()


def test_who_may_only_look_sees_letters_and_no_way_to_act(client):
    row = a_letter()
    tom = with_permissions(client, "view_shopletinbox")

    page = tom.open("/admin/dead-letters/")

    assert "1 dead letter" in page.text
    assert "Replay" not in page.text
    assert client.post("/admin/dead-letters/replay/", {"reason": WHY, "per_second": "9"}).status_code == 403
    assert state(row) == "parked"


def test_who_may_act_on_one_table_does_not_touch_another(client):
    row, event = a_letter(), a_parked_event()
    tom = with_permissions(client, "change_shopletinbox")
    tom.open("/admin/dead-letters/discard/")

    tom.submit(reason="a test parcel", per_second="10")

    event.refresh_from_db()
    assert (state(row), event.parked_at) == ("applied", OLD)


def test_who_may_see_no_messages_is_refused(client):
    with_permissions(client)

    assert client.get("/admin/dead-letters/").status_code == 403


def test_the_consumers_page_tells_lag_gaps_duplicates_and_pauses(operator):
    with writing("shoplet"):
        paused = {"paused": True, "by": "rosa", "reason": "depot is closed", "since": OLD}
        ShopletConsumer.objects.create(name=EAR, duplicates=7, **paused)
        ShopletPosition.objects.create(consumer=EAR, aggregate="parcel/a", applied_version=1)
    a_letter(aggregate="parcel/a", version=3, state="waiting", received_at=OLD)
    a_letter()

    page = operator.open(reverse("admin:shoplet_shopletconsumer_changelist"))

    cells = {one.attributes["class"].partition("field-")[2]: one.text.strip() for one in page.all("td", "th")
             if "field-" in one.attributes.get("class", "")}  # fmt: skip
    assert cells["state"] == "‖ paused"
    assert cells["lag"].endswith(" d")
    told = (cells["waiting"], cells["waiting_gaps"], cells["dead_letters"], cells["duplicates_suppressed"])
    assert told == ("1", "1", "1", "7")
    assert cells["told"] == "2026-01-01 12:30 UTC by rosa: depot is closed"


def _rows():
    with writing("shoplet"):
        ShopletConsumer.objects.get_or_create(name=EAR)
        ShopletLane.objects.get_or_create(lane=0)
    return a_letter(), a_parked_event()


PAGES = [
    "/admin/", "/admin/dead-letters/", "/admin/dead-letters/?cause=broken", "/admin/dead-letters/?since=nonsense",
    "/admin/dead-letters/replay/", "/admin/dead-letters/discard/?cause=nothing-fits", "/admin/shoplet/shopletinbox/",
    "/admin/shoplet/shopletoutbox/", "/admin/shoplet/shopletconsumer/", "/admin/shoplet/shopletlane/",
    "/admin/admin/logentry/",
]  # fmt: skip


@pytest.mark.parametrize("address", PAGES)
def test_a_page_can_be_used_without_seeing_colours_and_asks_no_other_host(operator, address):
    _rows()

    assert barriers(operator.open(address)) == []


def test_the_pages_of_a_row_and_of_a_reason_can_be_used_too(operator):
    row, _ = _rows()

    assert barriers(operator.open(reverse("admin:shoplet_shopletinbox_change", args=[row.pk]))) == []
    operator.open(reverse("admin:shoplet_shopletinbox_changelist"))
    asked = operator.submit(action="replay_selected", _selected_action=[str(row.pk)])
    assert "Reason" in asked.text
    assert barriers(asked) == []


def test_the_login_page_can_be_used_too(client):
    assert barriers(Person(client).open("/admin/login/")) == []


@pytest.mark.parametrize(
    ("html", "barrier"),
    [
        ("<html><h1>a</h1></html>", "language"),
        ("<html lang='en'></html>", "first rank"),
        ("<html lang='en'><h1>a</h1><input name='x'></html>", "no label"),
        ("<html lang='en'><h1>a</h1><img src='/a.png'></html>", "no text"),
        ("<html lang='en'><h1>a</h1><script src='//cdn.example/a.js'></script></html>", "asks"),
        ("<html lang='en'><h1>a</h1><b class='state-parked'>■</b></html>", "colour"),
        ("<html lang='en'><h1>a</h1><p style='color: red'>a</p></html>", "policy"),
        ("<html lang='en'><h1>a</h1><a href='/x'></a></html>", "no name"),
    ],
)
def test_each_barrier_is_seen(html, barrier):
    (found,) = barriers(Page("/", html))

    assert barrier in found
