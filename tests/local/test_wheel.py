"""The library as others install it: a wheel that is whole, without its tests, with no dependency of its own taste."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

from deploy.local.house import ROOT
from tests.wheel import LIBRARY, build_wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the files in a wheel built from this checkout, as a release is."""
    with ZipFile(build_wheel(tmp_path_factory.mktemp("wheel"))) as archive:
        return set(archive.namelist())


def committed(pattern: str) -> set[str]:
    """Return the library's committed files of a pattern, by their names in a wheel."""
    listed = subprocess.run(["git", "ls-files", "--", pattern], cwd=LIBRARY, capture_output=True, text=True, check=True)
    return set(listed.stdout.split())


def names_in(requirements: list[str]) -> set[str]:
    """Return the normalised project names of requirement lines (PEP 503)."""
    found = [re.match(r"[A-Za-z0-9._-]+", line) for line in requirements]
    return {re.sub(r"[-_.]+", "-", match.group()).lower() for match in found if match}


def test_the_wheel_holds_every_module_template_and_asset_of_the_library(wheel):
    wanted = committed("fissile")

    assert {Path(name).parts[1] for name in wanted} >= {"templates", "static"}
    assert wanted <= wheel


def test_the_wheel_holds_no_tests_and_nothing_beside_the_library(wheel):
    strangers = {name for name in wheel if not re.match(r"fissile(/|-[0-9.]+\.dist-info/)", name)}

    assert strangers == set()
    assert not {name for name in wheel if "fissile_tests" in name or "__pycache__" in name}


def test_what_the_library_needs_is_pinned_for_the_shop_too():
    project = tomllib.loads((LIBRARY / "pyproject.toml").read_text())["project"]
    pinned = names_in((ROOT / "requirements.in").read_text().splitlines())

    assert names_in(project["dependencies"]) - pinned == set()
