"""The gate of imports is a gate: ten planted violations, each in a copy of the tree, each refused by name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("apps", "bff_app", "gateway_app", "settings", "platform/fissile")

# file → a line put at its end, and the contract that must break
PLANTED = {
    "a use case imports a neighbour's table": (
        "apps/orders/usecases.py", "from apps.users.models import User", "neighbours"),
    "a use case reads a neighbour's contracts": (
        "apps/orders/usecases.py", "from apps.users.contracts import types", "neighbours"),
    "an adapter calls the neighbour's facade itself": (
        "apps/orders/adapters/users.py", "from apps.users import facade", "neighbours"),
    "the gateway knows a context": (
        "gateway_app/routes.py", "from apps.orders.contracts import events", "neighbours"),
    "the domain meets Django": ("apps/orders/domain.py", "from django.utils import timezone", "pure"),
    "contracts meet the web framework": (
        "apps/users/contracts/types.py", "from rest_framework import serializers", "pure"),
    "a view touches a table": ("apps/orders/api/v1/views.py", "from apps.orders.models import Order", "doors"),
    "models import a use case": ("apps/users/models.py", "from apps.users import usecases", "rooms"),
    "a context imports the BFF": ("apps/orders/queries.py", "from bff_app import ports", "house"),
    "the library imports the shop": ("platform/fissile/carry/context.py", "import apps.orders.domain", "house"),
    "a lower floor imports an upper one": (
        "platform/fissile/messages/ids.py", "from fissile.data import unit_of_work", "library"),
    "two siblings import each other": (
        "platform/fissile/carry/context.py", "from fissile.carry import headers", "circles"),
    "a room that has no place on the plan": ("apps/orders/helpers.py", "ANSWER = 42", "rooms"),
}  # fmt: skip


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    tree = tmp_path_factory.mktemp("tree")
    for part in PARTS:
        shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tree)
    return tree


def lint(tree):
    # The copies come first on the path: the editable install must not be what is read.
    path = os.pathsep.join([str(tree / "platform"), str(tree)])
    command = "import sys; from importlinter.cli import lint_imports_command as run; sys.argv[0] = 'lint'; run()"
    return subprocess.run(
        [sys.executable, "-c", command, "--no-logo", "--no-cache"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_tree_itself_keeps_every_contract(copied):
    done = lint(copied)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 kept, 0 broken" in done.stdout


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_violation_is_refused_by_its_contract(copied, name):
    file, line, contract = PLANTED[name]
    path = copied / file
    before = path.read_text() if path.exists() else None
    path.write_text((before or '"""A room."""\n') + f"\n{line}\n")
    try:
        done = lint(copied)
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before)

    assert done.returncode == 1
    assert f"{contract}:" in done.stdout.split("Broken contracts")[1], done.stdout
