"""The boundary gate over this shop, whole and cut, and its page."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fissile.gate.survey import survey
from settings.contexts import CONTEXTS
from tests.architecture import boundary_rules
from tests.architecture.house_map import ROOT


def test_nothing_holds_a_context_of_the_shop():
    seen = survey()

    assert {score.name for score in seen.scores} >= set(CONTEXTS)
    assert [one for one in seen.findings if {one.context, one.other} & set(CONTEXTS)] == []
    assert seen.baseline is None


@pytest.mark.parametrize("role", CONTEXTS)
def test_a_context_installed_alone_has_nothing_against_it(role, tmp_path):
    far = " ".join(f"{name}=http://127.0.0.1:{row['port']}" for name, row in CONTEXTS.items() if name != role)
    command = [sys.executable, "manage.py", "check", "--tag", "boundaries", "--fail-level", "WARNING"]
    variables = {"ROLE": role, "TOPOLOGY": far, "STATE_DIR": str(tmp_path), "DEBUG": "true", "TIER": "embedded"}

    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | variables | {"DJANGO_SETTINGS_MODULE": "settings.local"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_has_the_rules_as_they_are():
    committed = boundary_rules.PAGE.read_text(encoding="utf-8")

    assert committed == boundary_rules.page(), "write it again: python -m tests.architecture.boundary_rules --write"
