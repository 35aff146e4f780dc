"""What the database itself refuses: a customer that changes without an event (T7), an impossible limit."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connections, transaction

from apps.users.models import User
from apps.users.tests.factories import a_customer
from fissile.data.guard import writing
from fissile.data.models import UnpublishedChange

pytestmark = pytest.mark.django_db(databases=["users"])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users_user SET name = 'Eve'",
        "UPDATE users_user SET name = 'Eve', version = version + 1",
        "UPDATE users_user SET credit_limit_minor = 1, version = 0",
    ],
)
def test_raw_sql_cannot_change_a_customer_without_an_event(statement):
    a_customer()

    with (
        pytest.raises(DatabaseError, match="without its event"),
        transaction.atomic(using="users"),
        writing("users"),
        connections["users"].cursor() as cursor,
    ):
        cursor.execute(statement)

    assert User.objects.get().name == "Ada Lovelace"


def test_neither_save_nor_a_set_based_write_changes_a_customer():
    a_customer()

    for change in (
        lambda: User.objects.get().save(),
        lambda: User.objects.update(name="Eve"),
        lambda: User.objects.all().delete(),
    ):
        with pytest.raises(UnpublishedChange):
            change()
