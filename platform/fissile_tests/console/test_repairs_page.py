"""What an operator does to messages and consumers in the admin: rows and a reason first, an entry for each after."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from fissile.data.guard import writing
from fissile.messages import uuid7
from fissile_tests.shoplet.models import ShopletConsumer, ShopletInbox, ShopletOutbox, ShopletPosition

pytestmark = pytest.mark.django_db(databases=["operations", *settings.FISSILE["contexts"]])
WHY = "the auditors said so"


def an_event(**changes):
    row = {"aggregate": f"basket/{uuid7()}", "version": 1, "lane": 0, "type": "shoplet.basket_filled.v1"}
    with writing("shoplet"):
        return ShopletOutbox.objects.create(**{**row, "payload": {}, "headers": {}, **changes})


def a_message(**changes):
    row = {"consumer": "shoplet.depot", "message_id": uuid7(), "aggregate": f"parcel/{uuid7()}", "version": 1}
    with writing("shoplet"):
        return ShopletInbox.objects.create(
            **{**row, "type": "depot.parcel_packed.v1", "payload": {}, "headers": {}, "state": "parked", **changes}
        )


def a_consumer(**changes):
    with writing("shoplet"):
        return ShopletConsumer.objects.create(**{"name": "shoplet.depot", **changes})


@pytest.fixture
def operator(client):
    client.force_login(User.objects.create_superuser("op"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def act(client, action, *rows, **extra):
    """Return the page that an action ends on."""
    data = {"action": action, "_selected_action": [row.pk for row in rows], **extra}
    address = reverse(f"admin:shoplet_{rows[0]._meta.model_name}_changelist")
    return client.post(address, data, follow=True).content.decode()


def sent():
    return an_event(sent_at="2026-01-01T00:00Z")


CASES = {
    "retry_selected": (lambda: an_event(attempts=8, parked_at="2026-01-01T00:00Z", reason="too large"), sent),
    "park_selected": (an_event, sent),
    "skip_selected": (a_message, lambda: a_message(state="applied")),
    "pause_selected": (a_consumer, lambda: a_consumer(name="shoplet.retired", paused=True)),
    "resume_selected": (lambda: a_consumer(paused=True), lambda: a_consumer(name="shoplet.retired")),
}
each_action = pytest.mark.parametrize("action", CASES)


def values(row):
    return type(row).objects.filter(pk=row.pk).values().get()


@each_action
def test_an_action_shows_its_rows_and_asks_why_before_anything_is_done(operator, action):
    row = CASES[action][0]()
    before = values(row)

    text = act(operator, action, row)

    assert "1 row." in text
    assert 'name="reason"' in text
    assert values(row) == before
    assert not LogEntry.objects.exists()


@each_action
def test_an_action_with_a_reason_is_done_and_leaves_one_entry(operator, action):
    row, other = (make() for make in CASES[action])
    untouched = values(other)

    text = act(operator, action, row, other, reason=WHY)

    assert ": 1 done." in text
    assert values(other) == untouched
    entry = LogEntry.objects.get()
    assert (entry.user.username, entry.object_id) == ("op", str(row.pk))
    assert WHY in entry.change_message


@each_action
def test_an_action_that_fits_no_row_says_why(operator, action):
    other = CASES[action][1]()

    assert "nothing is done" in act(operator, action, other, reason=WHY)


@each_action
def test_who_may_only_look_may_not_act(client, action):
    row = CASES[action][0]()
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename=f"view_{row._meta.model_name}"))
    client.force_login(viewer, backend="django.contrib.auth.backends.ModelBackend")
    before = values(row)

    act(client, action, row, reason=WHY)

    assert values(row) == before
    assert not LogEntry.objects.exists()


def test_a_message_that_is_not_its_streams_next_is_refused_by_name_and_stops_no_other(operator):
    behind, head = a_message(version=3, state="waiting"), a_message()
    with writing("shoplet"):
        ShopletPosition.objects.create(consumer=behind.consumer, aggregate=behind.aggregate, applied_version=1)

    text = act(operator, "skip_selected", behind, head, reason=WHY)

    assert "the next one is 2, not 3" in text
    assert ": 1 done." in text


def test_the_first_page_says_which_consumer_is_paused(operator):
    a_consumer(paused=True)

    assert "paused" in operator.get("/admin/").content.decode()


def test_a_pause_in_the_admin_names_who_and_why_on_the_consumers_page(operator):
    consumer = a_consumer()

    act(operator, "pause_selected", consumer, reason=WHY)

    text = operator.get(reverse("admin:shoplet_shopletconsumer_changelist")).content.decode()
    assert WHY in text
    assert ShopletConsumer.objects.get().by == "op"
