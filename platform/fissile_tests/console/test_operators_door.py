"""The operators' door: pages show rows and no secrets, rows cannot be edited, actions ask for a reason."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from fissile.data.guard import writing
from fissile.messages import uuid7
from fissile_tests.shoplet.models import ShopletInbox, ShopletOutbox, ShopletPosition

# The first page shows every context that is installed.
pytestmark = pytest.mark.django_db(databases=["operations", *settings.FISSILE["contexts"]])
HEADERS = {"correlationid": "c", "traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01", "tenant": "shop"}


def a_message(state="parked", version=1, **changes):
    row = {
        "consumer": "shoplet.depot",
        "message_id": uuid7(),
        "aggregate": "parcel/7",
        "version": version,
        "type": "depot.parcel_packed.v1",
        "payload": {"note": "x"},
        "headers": HEADERS,
        "state": state,
    }
    with writing("shoplet"):
        return ShopletInbox.objects.create(**{**row, **changes})


def an_event(**changes):
    row = {
        "aggregate": f"basket/{uuid7()}",
        "version": 1,
        "lane": 0,
        "type": "shoplet.basket_filled.v1",
        "payload": {"things": 1},
        "headers": HEADERS,
    }
    with writing("shoplet"):
        return ShopletOutbox.objects.create(**{**row, **changes})


@pytest.fixture
def operator(client):
    user = User.objects.create_superuser("op")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def viewer(client):
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_shopletinbox"))
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def page(name, *args):
    return reverse(f"admin:shoplet_{name}", args=args)


def test_the_first_page_says_how_every_outbox_and_consumer_stands(operator):
    an_event()
    an_event(parked_at="2026-01-01T00:00Z", reason="no queue is bound")
    a_message()

    text = operator.get("/admin/").content.decode()

    strip = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text.split("Messages in this process")[1].split("As of")[0]))
    assert re.search(r"shoplet outbox ■ parked 1 \d+ s 1 ", strip)
    assert "shoplet.depot inbox ■ parked 0 – 1" in strip
    assert "orders outbox ● flowing 0 – 0" in strip


@pytest.mark.parametrize("name", ["shopletoutbox", "shopletinbox", "shopletposition", "shopletlane"])
def test_messaging_rows_are_listed_and_never_edited(operator, name):
    an_event()
    row = a_message()

    assert operator.get(page(f"{name}_changelist")).status_code == 200
    assert operator.get(page(f"{name}_add")).status_code == 403
    assert operator.post(page("shopletinbox_delete", row.pk), {"post": "yes"}).status_code == 403
    assert operator.post(page("shopletinbox_change", row.pk), {"state": "applied"}).status_code == 403
    row.refresh_from_db()
    assert row.state == "parked"


def test_a_payload_is_shown_escaped_and_without_secrets(operator):
    row = a_message(payload={"note": "<script>alert(1)</script>", "password": "hunter2"})

    text = operator.get(page("shopletinbox_change", row.pk)).content.decode()

    assert "hunter2" not in text
    assert "<script>alert" not in text
    assert "ab" * 16 in text


def test_parked_and_pending_events_can_be_told_apart(operator):
    parked, pending = an_event(parked_at="2026-01-01T00:00Z"), an_event()

    text = operator.get(page("shopletoutbox_changelist"), {"state": "parked"}).content.decode()

    assert parked.aggregate in text
    assert pending.aggregate not in text


def replay(client, *rows, **extra):
    data = {"action": "replay_selected", "_selected_action": [row.pk for row in rows], **extra}
    return client.post(page("shopletinbox_changelist"), data, follow=True)


def test_replaying_asks_for_a_reason_first_and_changes_nothing_yet(operator):
    row = a_message(reason="ValueError: bad shelf")

    text = replay(operator, row).content.decode()

    assert "ValueError: bad shelf" in text
    assert 'name="reason"' in text
    row.refresh_from_db()
    assert row.state == "parked"


def test_too_short_a_reason_is_asked_for_again(operator):
    row = a_message()

    text = replay(operator, row, reason="  x ").content.decode()

    assert "Say why" in text
    row.refresh_from_db()
    assert row.state == "parked"


def test_a_replayed_letter_is_back_in_line_and_the_log_says_who_and_why(operator):
    first, second = a_message(reason="ValueError: bad shelf", attempts=5), a_message(version=2, state="waiting")

    text = replay(operator, first, second, reason="the shelf is mended").content.decode()

    assert "Replay dead letters: 1 done." in text
    first.refresh_from_db()
    assert (first.state, first.attempts) == ("waiting", 0)
    entry = LogEntry.objects.get()
    assert (entry.user.username, entry.object_id) == ("op", str(first.pk))
    assert "bad shelf" in entry.change_message
    assert "the shelf is mended" in entry.change_message
    assert "the shelf is mended" in operator.get(reverse("admin:admin_logentry_changelist")).content.decode()


def test_a_letter_that_was_applied_meanwhile_is_not_repeated(operator):
    row = a_message()
    with writing("shoplet"):
        ShopletPosition.objects.create(consumer=row.consumer, aggregate=row.aggregate, applied_version=1)

    assert "already applied" in replay(operator, row, reason="because").content.decode()
    assert LogEntry.objects.count() == 0


def test_a_parked_event_can_be_sent_again(operator):
    event = an_event(parked_at="2026-01-01T00:00Z", reason="no queue is bound", attempts=5)
    data = {"action": "retry_selected", "_selected_action": [event.pk], "reason": "the queue is bound now"}

    operator.post(page("shopletoutbox_changelist"), data)

    event.refresh_from_db()
    assert (event.parked_at, event.attempts) == (None, 0)
    assert LogEntry.objects.count() == 1


def test_a_row_that_is_not_parked_is_not_replayed(operator):
    row = a_message(state="waiting")

    assert "not parked; nothing is done" in replay(operator, row, reason="because").content.decode()


def test_who_may_only_look_may_not_replay(viewer):
    row = a_message()

    assert viewer.get(page("shopletinbox_changelist")).status_code == 200
    replay(viewer, row, reason="because")

    row.refresh_from_db()
    assert row.state == "parked"
    assert LogEntry.objects.count() == 0


@pytest.mark.parametrize("address", ["/admin/", "/admin/login/", "/admin/shoplet/shopletinbox/"])
def test_pages_load_nothing_from_elsewhere(operator, address):
    if "login" in address:
        operator.logout()

    response = operator.get(address)

    assert "default-src 'none'" in response["Content-Security-Policy"]
    text = response.content.decode()
    assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>(?!\s*</script>)", text)
    assert " style=" not in text


def test_a_stranger_is_sent_to_the_login_page(client):
    assert client.get(page("shopletinbox_changelist"))["Location"].startswith("/admin/login/")


def test_operators_are_no_customers(client):
    assert User._meta.app_label == "auth"
    assert User.objects.db == "operations"
