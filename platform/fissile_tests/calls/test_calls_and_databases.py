"""Calls and transactions do not mix; a call's deadline holds for the callee's statements."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.db import OperationalError, connections, transaction

from fissile.calls import CallInsideTransaction, neighbour
from fissile.calls.limits import statements_within
from fissile.data import guard
from fissile.errors import UncertainError

ALIAS = "orders"


def ask():
    return neighbour("callee", caller="orders").ask("size_of", {"text": "abc"}, returns=int)


@pytest.mark.django_db(databases=[ALIAS], transaction=True)
def test_a_neighbour_is_not_asked_inside_a_transaction(way):
    with transaction.atomic(using=ALIAS), pytest.raises(CallInsideTransaction, match=ALIAS):
        ask()

    assert ask() == 3


@pytest.mark.django_db(databases=[ALIAS], transaction=True)
@pytest.mark.parametrize(("mode", "told"), [("report", 1), ("off", 0)])
def test_where_that_is_only_reported_or_off_the_neighbour_is_asked(way, caplog, mode, told):
    guard.configure(guard.Policy(calls=mode))
    try:
        with transaction.atomic(using=ALIAS):
            assert (ask(), ask()) == (3, 3)
    finally:
        guard.configure(guard.Policy(**settings.FISSILE["guard"]))

    lines = [record.getMessage() for record in caplog.records if record.name == "fissile.guard"]
    assert len(lines) == told
    assert all(line.startswith("BND203 orders: call callee.size_of while a transaction is open at") for line in lines)


@pytest.mark.django_db(databases=[ALIAS])
def test_the_transaction_around_a_test_case_is_none_of_the_callers(way):
    assert ask() == 3


def slow_statement(connection):
    if connection.vendor == "postgresql":
        return "SELECT pg_sleep(20)"
    return "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 900000000) SELECT count(*) FROM c"


@pytest.mark.django_db(databases=[ALIAS], transaction=True)
def test_a_statement_ends_with_the_deadline_and_the_connection_lives_on():
    connection, started = connections[ALIAS], time.monotonic()

    with (
        pytest.raises(OperationalError),
        statements_within(ALIAS, started + 0.1),
        connection.cursor() as cursor,
    ):
        cursor.execute(slow_statement(connection))

    assert time.monotonic() - started < 3
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    assert statement_timeout(connection) == usual_timeout(connection)


@pytest.mark.django_db(databases=[ALIAS], transaction=True)
def test_no_statement_starts_after_the_deadline():
    connection = connections[ALIAS]

    with statements_within(ALIAS, time.monotonic() - 1), pytest.raises(UncertainError), connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@pytest.mark.django_db(databases=[ALIAS], transaction=True)
def test_a_limit_that_was_never_met_leaves_nothing_behind():
    connection = connections[ALIAS]

    with statements_within(ALIAS, time.monotonic() + 5), connection.cursor() as cursor:
        cursor.execute("SELECT 1")

    assert statement_timeout(connection) == usual_timeout(connection)
    assert not [wrapper for wrapper in connection.execute_wrappers if type(wrapper).__name__ == "_StatementLimit"]


@pytest.mark.django_db(databases=[ALIAS], transaction=True)
def test_a_call_that_opens_the_connection_takes_its_limit_away_and_leaves_the_guard():
    with ThreadPoolExecutor(1) as fresh_thread:
        left = fresh_thread.submit(wrappers_after_a_first_call).result()

    assert left == ["StatementGuard"]


def wrappers_after_a_first_call():
    connection = connections[ALIAS]
    try:
        with statements_within(ALIAS, time.monotonic() + 5), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return [type(wrapper).__name__ for wrapper in connection.execute_wrappers]
    finally:
        connection.close()


def test_an_alias_that_is_not_here_has_nothing_to_limit():
    with statements_within("elsewhere", time.monotonic() + 1):
        assert "elsewhere" not in connections.settings


def statement_timeout(connection):
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        return cursor.fetchone()[0]


def usual_timeout(connection):
    """What a connection of this alias starts with."""
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT reset_val FROM pg_settings WHERE name = 'statement_timeout'")
        milliseconds = int(cursor.fetchone()[0])
    return f"{milliseconds // 1000}s" if milliseconds else "0"
