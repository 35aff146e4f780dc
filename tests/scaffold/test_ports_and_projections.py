"""What startport and startprojection write, tried in a copy of the shop: by its tools, its gate and its own tests."""

from __future__ import annotations

import json
import re

import pytest

from tests.scaffold.project import Project

# A new context, one with handlers and a port to the same neighbour already, and one outside of apps/.
COMMANDS = [
    ("startcontext", "billing"),
    ("startport", "billing.buyer_directory", "--to", "users.get_account", "--as", "buyer"),
    ("startprojection", "billing.customer_card", "--from", "users.user_registered", "--from", "users.user_renamed"),
    ("startport", "orders.people", "--to", "users"),
    ("startprojection", "orders.payment_row", "--from", "payments.payment_refused"),
    ("startprojection", "bff.order_row", "--from", "orders.order_placed", "--from", "orders.order_cancelled"),
]
BORN = [
    "apps/billing",
    "apps/orders/tests/test_people.py",
    "apps/orders/tests/test_payment_row.py",
    "apps/orders/tests/test_buyer_directory.py",
    "bff_app/tests/test_order_row.py",
    "bff_app/tests/test_consumers.py",
]


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    return Project.copied(tmp_path_factory.mktemp("scaffold") / "shop")


@pytest.fixture(scope="module")
def project(untouched):
    for words in COMMANDS:
        untouched.manage(*words)
    return untouched


def test_a_dry_run_shows_a_diff_and_writes_nothing(untouched):
    before = untouched.files()

    shown = untouched.manage("startport", "payments.people", "--to", "users", "--dry-run").stdout
    more = untouched.manage("startprojection", "payments.user_row", "--from", "users.user_renamed", "--dry-run").stdout

    assert untouched.files() == before
    assert '+    offers={"get_account": ("orders", "bff", "payments")},' in shown
    assert "+++ b/apps/payments/adapters/users.py" in shown
    assert re.search(r"^\+\+\+ b/apps/payments/migrations/\d{4}_user_row\.py$", more, re.MULTILINE)


def test_their_tests_are_born_passing(project):
    said = project.run("-m", "pytest", "-q", *BORN).stdout

    assert " failed" not in said
    assert " skipped" not in said


def test_the_gate_and_djangos_checks_find_nothing(project):
    assert "0 blockers, 0 advisory findings" in project.manage("boundaries", "show").stdout
    assert "no issues" in project.manage("check").stdout
    project.manage("makemigrations", "--check", "--dry-run")


def test_linter_formatter_types_and_import_rules_are_content(project):
    places = ["apps", "bff_app"]

    project.tool("ruff", "check", "--no-cache", *places)
    project.tool("ruff", "format", "--check", "--no-cache", *places)
    project.tool("mypy", "--cache-dir=/dev/null", *places)
    project.tool("lint-imports", "--no-logo", "--no-cache")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_second_run_has_nothing_to_do(project, words):
    before = project.files()

    told = json.loads(project.manage(*words, "--json").stdout)

    assert {file["status"] for file in told["data"]["files"]} <= {"unchanged", "kept"}
    assert (told["next"], told["warnings"]) == ([], [])
    assert project.files() == before
