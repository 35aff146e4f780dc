"""Events and consumers as a user makes them: in a copy of the shop, each command and each check in its own process."""

from __future__ import annotations

import pytest

from tests.scaffold.project import Project

EVENT = ("startevent", "billing.invoice_issued", "--field", "amount:decimal", "--field", "order:ref:orders")
CONSUMER = ("startconsumer", "notifications", "billing.invoice_issued")
NEW = ("apps/billing", "apps/notifications")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A copy in which billing publishes an event and notifications listens to it."""
    project = Project.copied(tmp_path_factory.mktemp("scaffold") / "shop")
    for command in (("startcontext", "billing"), ("startcontext", "notifications"), EVENT, CONSUMER):
        project.manage(*command)
    return project


def test_the_generated_tests_pass_as_they_were_born(shop):
    said = shop.run("-m", "pytest", "-q", "-p", "no:cacheprovider", *NEW).stdout

    assert "passed" in said
    assert "skipped" not in said


def test_the_linter_and_the_formatter_have_nothing_to_say(shop):
    shop.run("-m", "ruff", "check", "--no-cache", "apps", "settings")
    shop.run("-m", "ruff", "format", "--no-cache", "--check", *NEW)


def test_the_import_rules_hold_and_know_the_new_contexts(shop):
    said = shop.tool("lint-imports", "--no-logo", "--no-cache").stdout

    assert "0 broken" in said
    assert (shop.root / ".importlinter").read_text().count("    apps.billing\n") == 2


def test_the_checks_of_the_whole_house_pass(shop):
    assert "no issues" in shop.manage("check").stdout


def test_the_generated_migrations_are_all_that_there_are_to_make(shop):
    assert "No changes detected" in shop.manage("makemigrations", "--check", "--dry-run").stdout


def test_no_context_is_tied_to_another(shop):
    assert "0 blockers, 0 advisory findings" in shop.manage("boundaries", "show").stdout


def test_a_second_run_has_nothing_to_do(shop):
    before = shop.files()

    said = [shop.manage(*command).stdout for command in (("startcontext", "billing"), EVENT, CONSUMER)]

    assert all(one.startswith("nothing to do: ") for one in said)
    assert shop.files() == before


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (("startevent", "billing.invoice_paid", "--field", "paid_on:date"), "+class InvoicePaidV1(Event):"),
        (("startconsumer", "orders", "billing.invoice_issued"), '+@consumes(InvoiceIssuedV1, into="orders")'),
    ],
    ids=["startevent", "startconsumer"],
)
def test_a_dry_run_prints_the_diff_and_writes_nothing(shop, command, line):
    before = shop.files()

    said = shop.manage(*command, "--dry-run").stdout

    assert said.startswith("--- ")
    assert line in said.splitlines()
    assert shop.files() == before
