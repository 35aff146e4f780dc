"""A scaffolded context at work: in one process with the others, alone, and with everybody apart."""

from __future__ import annotations

import json

import pytest

from tests.scaffold.project import Project

pytestmark = pytest.mark.house


@pytest.fixture(scope="module")
def cuts(tmp_path_factory):
    """What the shop with `billing` in it did, by cut."""
    project = Project.copied(tmp_path_factory.mktemp("scaffold") / "shop")
    project.manage("startcontext", "billing")
    project.manage("startport", "billing.buyer_directory", "--to", "users.get_account", "--as", "buyer")
    project.manage("startprojection", "billing.customer_card", "--from", "users.user_registered")
    told = project.run("-m", "tests.scaffold.whole_house", "monolith", "billing-out", "split").stdout
    return {one["cut"]: one for one in map(json.loads, told.splitlines())}


@pytest.mark.parametrize(
    ("cut", "users", "role"),
    [("monolith", "near", "all"), ("billing-out", "far", "billing"), ("split", "far", "billing")],
)
def test_it_starts_listens_and_asks_in_every_cut(cuts, cut, users, role):
    seen = cuts[cut]

    assert seen["ready"] == "ready"
    assert role in seen["roles"]
    assert (seen["admin"], seen["copied"]) == (200, "Rosa")
    assert (seen["asked"], seen["users"]) == ("Rosa", users)
