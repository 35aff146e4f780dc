"""The operators' door of users: a credit limit changes through the use case, with its event and a reason."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.test import Client

from apps.users.contracts.events import CreditLimitChangedV1
from apps.users.models import User
from apps.users.tests.factories import a_customer
from fissile.testing.published import assert_published

pytestmark = pytest.mark.django_db(databases=["users", "operations"])

PAGE = "/admin/users/user/"


def logged_in(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def operator():
    return logged_in(get_user_model().objects.create_superuser("olga", password="a-wall-of-granite"))


def change(client, *customers, **form):
    chosen = {"action": "change_credit_limit", "_selected_action": [str(one.id) for one in customers]}
    return client.post(PAGE, chosen | form)


def told(answer):
    return [str(message) for message in get_messages(answer.wsgi_request)]


def test_nothing_changes_before_limit_and_reason_are_given(operator):
    customer = a_customer()

    asked = change(operator, customer)
    again = change(operator, customer, confirm="1", limit_minor="-1", reason="")

    assert b"Credit limit, in cents" in asked.content
    assert b"errorlist" in again.content
    assert User.objects.get().credit_limit_minor == 1_000_000


def test_a_limit_is_changed_with_an_event_and_an_entry_in_the_log(operator):
    ada, bob = a_customer(), a_customer()

    answer = change(operator, ada, bob, confirm="1", limit_minor="250000", reason="paid late")

    assert told(answer) == ["Changed: 2."]
    assert set(User.objects.values_list("credit_limit_minor", flat=True)) == {250_000}
    assert_published(CreditLimitChangedV1, times=2)
    assert {entry.change_message for entry in LogEntry.objects.all()} == {"Credit limit 1000000 → 250000: paid late"}


def test_who_may_only_look_is_not_offered_the_action():
    viewer = get_user_model().objects.create_user("vera", password="a-wall-of-granite", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_user", content_type__app_label="users"))
    customer = a_customer()

    change(logged_in(viewer), customer, confirm="1", limit_minor="0", reason="mischief")

    assert User.objects.get().credit_limit_minor == 1_000_000


def test_customers_are_shown_and_their_secrets_are_not(operator):
    customer = a_customer()

    page = operator.get(f"{PAGE}{customer.id}/change/")

    assert customer.email.encode() in page.content
    assert b"argon2" not in page.content
    assert operator.get("/admin/users/credential/").status_code == 404
    assert operator.get("/admin/users/refreshtoken/").status_code == 404


def test_sessions_and_messages_are_listed(operator):
    a_customer()

    for rows in ("refreshfamily", "usersoutbox", "usersinbox", "userslane", "usersposition"):
        assert operator.get(f"/admin/users/{rows}/").status_code == 200
