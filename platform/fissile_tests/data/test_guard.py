"""The run-time guard: what it refuses, what it reports, what it lets be; on the tier under test."""

from __future__ import annotations

import logging
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connections, transaction

from fissile.data import guard
from fissile.data.unit_of_work import in_open_transaction, unit_of_work
from fissile.errors import BrokenContractError
from fissile.watch import metrics
from fissile_tests.shoplet import shortcuts

ALIAS = "shoplet"
pytestmark = pytest.mark.django_db(databases=[ALIAS], transaction=True)


@pytest.fixture
def policy():
    """Set a policy for one test."""
    yield lambda dice=random.random, **modes: guard.configure(guard.Policy(**modes), dice=dice)
    guard.configure(guard.Policy(**settings.FISSILE["guard"]))


@pytest.fixture
def reports(caplog):
    """The guard's log lines so far."""
    caplog.set_level(logging.DEBUG, logger="fissile.guard")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "fissile.guard"]


def heard():
    return apps.get_model(ALIAS, "Heard").objects.count()


def counted(rule, outcome):
    labels = {"rule": rule, "context": ALIAS, "outcome": outcome}
    return metrics.registry.get_sample_value("fissile_boundary_breaches_total", labels) or 0


def line_of(words):
    """Return `<file>:<line>` of a statement in the planted module."""
    lines = Path(shortcuts.__file__).read_text(encoding="utf-8").splitlines()
    (number,) = [number for number, line in enumerate(lines, start=1) if words in line]
    return f"fissile_tests/shoplet/shortcuts.py:{number}"


def test_the_shop_refuses_all_three_kinds():
    assert settings.FISSILE["guard"] == {"sql": "refuse", "writes": "refuse", "calls": "refuse", "sample": 1.0}


def test_a_write_outside_a_unit_of_work_is_refused_and_counted():
    before = counted("BND202", "refused")

    with pytest.raises(guard.WriteOutsideUnitOfWork, match=r"INSERT shoplet_heard .*unit_of_work\(\"shoplet\"\)"):
        shortcuts.note_it_anyway("lost")

    assert heard() == 0
    assert counted("BND202", "refused") == before + 1


def test_a_bare_transaction_is_no_unit_of_work():
    with pytest.raises(guard.WriteOutsideUnitOfWork), transaction.atomic(using=ALIAS):
        shortcuts.note_it_anyway("lost")


@pytest.mark.django_db(databases=[ALIAS])
def test_a_test_cases_own_transaction_is_neither_a_unit_of_work_nor_open():
    assert connections[ALIAS].in_atomic_block

    with pytest.raises(guard.WriteOutsideUnitOfWork):
        shortcuts.note_it_anyway("lost")
    assert in_open_transaction() is None


def test_inside_a_unit_of_work_a_plain_row_may_be_written():
    with unit_of_work(ALIAS):
        shortcuts.note_it_anyway("kept")

    assert heard() == 1


def test_what_runs_on_commit_is_outside_again():
    seen = []

    def late():
        with suppress(guard.WriteOutsideUnitOfWork):
            shortcuts.note_it_anyway("too late")
            seen.append("written")

    with unit_of_work(ALIAS):
        transaction.on_commit(late, using=ALIAS)

    assert (seen, heard()) == ([], 0)


def test_a_unit_of_work_that_failed_leaves_no_mark():
    with suppress(ZeroDivisionError), unit_of_work(ALIAS):
        1 / 0  # noqa: B018

    with pytest.raises(guard.WriteOutsideUnitOfWork):
        shortcuts.note_it_anyway("lost")


@pytest.mark.django_db(databases=[ALIAS, "orders"], transaction=True)
def test_the_mark_of_one_context_says_nothing_about_another():
    with unit_of_work("orders"), pytest.raises(guard.WriteOutsideUnitOfWork):
        shortcuts.note_it_anyway("lost")


def test_marks_may_be_nested():
    with guard.writing(ALIAS):
        with guard.writing(ALIAS):
            pass
        shortcuts.note_it_anyway("kept")

    assert heard() == 1


def test_a_mark_holds_for_its_own_thread_only():
    def elsewhere():
        try:
            with pytest.raises(guard.WriteOutsideUnitOfWork):
                shortcuts.note_it_anyway("lost")
        finally:
            connections[ALIAS].close()

    with ThreadPoolExecutor(1) as thread, guard.writing(ALIAS):
        thread.submit(elsewhere).result()


def test_a_write_in_a_common_table_expression_counts():
    sql = "WITH one AS (SELECT 1) INSERT INTO shoplet_heard (aggregate, version) SELECT 'a', 1 FROM one"

    with pytest.raises(guard.WriteOutsideUnitOfWork), connections[ALIAS].cursor() as cursor:
        cursor.execute(sql)


def test_many_rows_at_once_count_too():
    with pytest.raises(guard.WriteOutsideUnitOfWork), connections[ALIAS].cursor() as cursor:
        cursor.executemany("DELETE FROM shoplet_heard WHERE id = %s", [[1], [2]])


def test_reading_and_locking_need_no_unit_of_work():
    with transaction.atomic(using=ALIAS):
        assert list(apps.get_model(ALIAS, "Heard").objects.select_for_update()) == []


def test_flush_may_empty_tables():
    with unit_of_work(ALIAS):
        shortcuts.note_it_anyway("kept")

    call_command("flush", database=ALIAS, interactive=False, verbosity=0)

    assert heard() == 0


def test_sql_on_a_neighbours_table_is_refused_with_its_name():
    with pytest.raises(guard.ForeignTable, match=r"names a table of users: users_user\. Ask users through a port"):
        shortcuts.look_next_door("users_user")


def test_a_reported_write_happens_and_is_told_once_with_its_line(policy, reports):
    policy(writes="report")
    before = counted("BND202", "reported")

    for _ in range(3):
        shortcuts.note_it_anyway("a secret value")

    (line,) = reports()
    place = line_of("Heard.objects.create")
    assert line.startswith(f"BND202 shoplet: INSERT shoplet_heard outside a unit of work at {place};")
    assert "secret" not in line
    assert (heard(), counted("BND202", "reported")) == (3, before + 3)


def test_a_reported_foreign_query_is_told_with_its_line_and_reaches_the_database(policy, reports):
    policy(sql="report")

    with suppress(DatabaseError):  # neither tier has that table in this database
        shortcuts.look_next_door("users_user")

    (line,) = reports()
    assert line.startswith(f"BND201 shoplet: SELECT names users_user of users at {line_of('cursor.execute')};")
    assert "secret" not in line


def test_a_row_that_leads_next_door_is_refused_or_reported_by_the_router(policy, reports):
    row = apps.get_model(ALIAS, "Heard")()
    row._state.db = ALIAS

    with pytest.raises(guard.ForeignTable, match="Ask through a port"):
        shortcuts.step_next_door(row, apps.get_model("users", "User"))
    policy(sql="report")

    assert shortcuts.step_next_door(row, apps.get_model("users", "User")) == "users"
    (line,) = reports()
    assert line.startswith(f"BND201 shoplet: a row of shoplet leads to users_user of users at {line_of('hints=')};")


def test_what_is_off_is_neither_refused_nor_told(policy, reports):
    policy(sql="off", writes="off", calls="off")

    shortcuts.note_it_anyway("kept")

    assert (reports(), heard()) == ([], 1)


def test_each_kind_has_a_mode_of_its_own(policy):
    policy(writes="off", sql="refuse")

    shortcuts.note_it_anyway("kept")
    with pytest.raises(guard.ForeignTable):
        shortcuts.look_next_door("users_user")


def test_a_sample_looks_at_the_share_that_its_dice_say(policy):
    seed = 7
    dice = random.Random(seed)
    expected = sum(dice.random() < 0.25 for _ in range(200))
    policy(writes="report", sample=0.25, dice=random.Random(seed).random)
    before = counted("BND202", "reported")

    for _ in range(200):
        guard.breach("writes", ALIAS, "INSERT shoplet_heard", BrokenContractError)

    assert counted("BND202", "reported") - before == expected
    assert 0 < expected < 200


def test_a_sample_of_nothing_throws_no_report_and_refusing_is_never_sampled(policy, reports):
    policy(writes="report", sql="refuse", sample=0.0)

    shortcuts.note_it_anyway("kept")

    assert reports() == []
    with pytest.raises(guard.ForeignTable):
        shortcuts.look_next_door("users_user")


def test_threads_that_report_one_place_at_once_tell_it_once(policy, reports):
    policy(writes="report")

    def write(_):
        try:
            with transaction.atomic(using=ALIAS):
                shortcuts.note_it_anyway("kept")
        finally:
            connections[ALIAS].close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(12)))

    assert (len(reports()), heard()) == (1, 12)


def test_places_are_not_remembered_without_end(policy, reports):
    policy(writes="report")

    for number in range(guard.MOST_PLACES + 50):
        guard.breach("writes", ALIAS, f"INSERT shoplet_{number}", BrokenContractError)

    assert len(reports()) == guard.MOST_PLACES


def test_a_report_that_fails_breaks_nothing(policy, reports, monkeypatch):
    policy(writes="report")
    monkeypatch.setattr(guard, "place_of", lambda frame: 1 / 0)

    shortcuts.note_it_anyway("kept")

    assert heard() == 1
    assert reports() == ["a breach of BND202 by shoplet could not be reported"]


@pytest.mark.parametrize("wrong", [{"sql": "perhaps"}, {"sample": 1.5}, {"sample": float("nan")}])
def test_a_policy_of_another_kind_is_refused(wrong):
    with pytest.raises(BrokenContractError, match="refuse, report or off"):
        guard.Policy(**wrong)


def test_a_transaction_begun_by_hand_is_open_too():
    connection = connections[ALIAS]
    connection.ensure_connection()
    connection.set_autocommit(False)
    try:
        assert in_open_transaction() == ALIAS
    finally:
        connection.rollback()
        connection.set_autocommit(True)

    assert in_open_transaction() is None
