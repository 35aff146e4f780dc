"""`startcontext --remove` in a copy of the shop: nothing of it stays, and nothing of anybody else's goes."""

from __future__ import annotations

import json

import pytest

from tests.scaffold.project import Project

PORT = ("startport", "billing.buyer_directory", "--to", "users.get_account", "--as", "buyer")
CARD = ("startprojection", "billing.customer_card", "--from", "users.user_registered")


@pytest.fixture
def project(tmp_path):
    return Project.copied(tmp_path / "shop")


def test_made_and_removed_leaves_every_byte_as_it_was(project):
    before = project.files()
    project.manage("startcontext", "billing", "--purpose", "Decides what is owed.")

    project.manage("startcontext", "billing", "--remove")

    assert project.files() == before
    assert not (project.root / "apps" / "billing").exists()
    again = json.loads(project.manage("startcontext", "billing", "--remove", "--json").stdout)
    assert (again["data"]["files"], again["warnings"]) == ([], [])


def test_what_other_scaffolds_wrote_elsewhere_goes_too_once_it_is_committed(project):
    project.begin_history()
    before = project.files()
    for words in (("startcontext", "billing"), PORT, CARD):
        project.manage(*words)
    refused = project.manage("startcontext", "billing", "--remove", check=False)
    project.commit()

    project.manage("startcontext", "billing", "--remove")

    assert refused.returncode == 5
    assert "would be lost: no commit holds them" in refused.stderr
    assert project.files() == before


def test_without_git_only_force_takes_what_was_worked_on_and_names_it(project):
    before = project.files()
    project.manage("startcontext", "billing")
    (project.root / "apps" / "billing" / "logo.bin").write_bytes(b"\xff\xfe")

    refused = project.manage("startcontext", "billing", "--remove", check=False)
    shown = project.manage("startcontext", "billing", "--remove", "--force", "--dry-run").stdout
    was_there = project.files()
    forced = project.manage("startcontext", "billing", "--remove", "--force")

    assert refused.returncode == 5
    assert "apps/billing/logo.bin" in refused.stderr
    assert '-    "billing": {"package": "apps.billing", "port": 3005},' in shown
    assert "apps/billing/logo.bin" in was_there
    assert "no commit holds what was removed here: apps/billing/logo.bin" in forced.stderr
    assert project.files() == before


def test_a_context_that_another_one_builds_on_stays_with_force_too(project):
    project.manage("startcontext", "billing")
    consumers = project.root / "apps" / "payments" / "consumers.py"
    consumers.write_text(f"{consumers.read_text()}\nfrom apps.billing.contracts import events  # noqa\n")
    (project.root / "apps" / "billing" / "contracts" / "events.py").write_text("")
    before = project.files()

    refused = project.manage("startcontext", "billing", "--remove", "--force", check=False)

    assert refused.returncode == 5
    assert "apps/payments/consumers.py" in refused.stderr
    assert "imports apps.billing.contracts" in refused.stderr
    assert project.files() == before


def test_a_right_to_send_commands_goes_too_and_whoever_sends_to_it_keeps_it(project):
    before = project.files()
    project.manage("startcontext", "billing")
    taker = project.root / "apps" / "payments" / "context.py"
    taker.write_text(taker.read_text().replace('("orders",)', '("orders", "billing")'))
    sender = project.root / "apps" / "orders" / "context.py"
    alone = sender.read_text()
    sender.write_text(alone.replace("    requests=(", '    sends=("billing.raise_invoice.v1",),\n    requests=('))

    refused = project.manage("startcontext", "billing", "--remove", "--force", check=False)
    sender.write_text(alone)
    project.manage("startcontext", "billing", "--remove")

    assert refused.returncode == 5
    assert "apps/orders/context.py sends billing.raise_invoice.v1" in refused.stderr
    assert project.files() == before


def test_a_context_that_was_not_made_so_is_left_to_its_owner(project):
    refused = project.manage("startcontext", "users", "--remove", "--force", check=False)

    assert refused.returncode == 5
    assert "users was not made by startcontext" in refused.stderr
