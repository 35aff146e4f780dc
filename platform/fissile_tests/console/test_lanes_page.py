"""Pausing lanes in the console: asked for a reason first, written down, nobody else's lanes touched."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from fissile.data.guard import writing
from fissile.events.lanes import ensure_lanes, pause
from fissile_tests.shoplet.models import ShopletLane, ShopletOutbox

pytestmark = pytest.mark.django_db(databases=["operations", *settings.FISSILE["contexts"]])
PAGE = "admin:shoplet_shopletlane_changelist"


@pytest.fixture
def operator(client):
    ensure_lanes("shoplet")
    client.force_login(User.objects.create_superuser("op"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def ask(client, action, *lanes, **extra):
    data = {"action": f"{action}_selected", "_selected_action": lanes, **extra}
    return client.post(reverse(PAGE), data, follow=True).content.decode()


def paused():
    return set(ShopletLane.objects.using("shoplet").filter(paused=True).values_list("lane", flat=True))


def test_the_page_says_how_many_events_wait_in_each_lane(operator):
    event = {"aggregate": "basket/1", "lane": 3, "type": "shoplet.basket_filled.v1", "payload": {}, "headers": {}}
    with writing("shoplet"):
        for version in (1, 2):
            ShopletOutbox.objects.create(**event, version=version)

    found = operator.get(reverse(PAGE)).context["cl"].result_list

    assert {row.lane: row.waiting_count for row in found if row.waiting_count} == {3: 2}
    assert next(row for row in found if row.lane == 3).oldest_at == ShopletOutbox.objects.get(version=1).recorded_at


def test_pausing_asks_for_a_reason_first_and_changes_nothing_yet(operator):
    text = ask(operator, "pause", 3, 4)

    assert 'name="reason"' in text
    assert "lane 3" in text
    assert paused() == set()


def test_lanes_are_paused_and_the_log_says_who_and_why(operator):
    text = ask(operator, "pause", 3, 4, reason="depot is closed")

    assert "Pause lanes: 2 done." in text
    assert paused() == {3, 4}
    assert ShopletLane.objects.using("shoplet").get(lane=3).reason == "paused by op: depot is closed"
    assert {(entry.user.username, entry.object_id) for entry in LogEntry.objects.all()} == {("op", "3"), ("op", "4")}
    assert "depot is closed" in operator.get(reverse("admin:admin_logentry_changelist")).content.decode()


def test_only_paused_lanes_are_resumed(operator):
    pause("shoplet", [3, 9], reason="depot is closed", operator="op")

    text = ask(operator, "resume", 3, 4, reason="depot is open")

    assert "Resume lanes: 1 done." in text
    assert paused() == {9}
    assert "All of the selected rows are not paused; nothing is done." in ask(operator, "resume", 3, 4)


def test_who_may_only_look_cannot_pause(operator, client):
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_shopletlane"))
    client.force_login(viewer, backend="django.contrib.auth.backends.ModelBackend")

    ask(client, "pause", 3, reason="just because")

    assert paused() == set()
