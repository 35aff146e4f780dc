"""The tables of payments: all on its own database, and told apart by their name."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import connections, router

MODELS = list(apps.get_app_config("payments").get_models())
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)


@each_model
def test_a_row_is_read_and_written_on_our_own_database(model):
    assert {router.db_for_read(model), router.db_for_write(model)} == {"payments"}


@each_model
def test_a_tables_name_tells_whose_it_is(model):
    # The guard on every connection knows a stranger's table by this prefix.
    assert model._meta.db_table.startswith("payments_")


@pytest.mark.django_db(databases=["payments"])
def test_the_migrations_make_every_table():
    made = set(connections["payments"].introspection.table_names())

    assert {model._meta.db_table for model in MODELS} <= made
