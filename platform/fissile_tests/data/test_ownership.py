"""Ownership: a context's tables are its own, for the ORM, for migrations and for raw SQL."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction

from fissile.data.guard import ForeignTable
from fissile.data.ownership import ContextRouter


def model(label):
    return apps.get_model(label)


@pytest.mark.parametrize(
    ("label", "alias"), [("users.User", "users"), ("orders.Order", "orders"), ("auth.User", "operations")]
)
def test_every_model_is_read_and_written_at_its_owner(label, alias):
    router = ContextRouter()

    assert router.db_for_read(model(label)) == alias
    assert router.db_for_write(model(label)) == alias
    assert router.allow_migrate(alias, label.split(".")[0])


def test_an_app_migrates_on_its_owners_database_only():
    allowed = {
        alias
        for alias, row in settings.DATABASES.items()
        if row and ContextRouter().allow_migrate(alias, "orders")
    }

    assert allowed == {"orders"}


def test_rows_of_two_contexts_are_never_related():
    router = ContextRouter()

    assert not router.allow_relation(model("users.User")(), model("orders.Order")())
    assert router.allow_relation(model("orders.Order")(), model("orders.OrderLine")())


def test_a_row_reached_through_a_foreign_row_is_refused():
    stranger = get_user_model()()
    stranger._state.db = "operations"

    with pytest.raises(ForeignTable, match="Ask through a port"):
        ContextRouter().db_for_read(model("orders.Order"), instance=stranger)


@pytest.mark.django_db(databases=["orders", "users"])
@pytest.mark.parametrize(
    "statement",
    [
        'SELECT * FROM "users_user"',
        "select * from users_user",
        "SELECT o.id FROM orders_order o JOIN USERS_USER u ON u.id = o.buyer_id",
        "UPDATE users_user SET name = 'x'",
    ],
)
def test_sql_on_one_database_that_names_anothers_table_is_refused(statement):
    with pytest.raises(ForeignTable, match="names a table of users"), connections["orders"].cursor() as cursor:
        cursor.execute(statement)


def test_the_default_alias_refuses_everything():
    with pytest.raises(ImproperlyConfigured), transaction.atomic(using="default"):
        pass
