"""Planted ties between contexts are found on their line and nowhere else; what only looks like one is let be."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

from .planted import (
    caches,
    configuration,
    databases,
    declarations,
    driver,
    imports,
    layouts,
    models_by_name,
    queries,
    relations,
    screens,
    shop,
    signals,
    statements,
    tasks,
    whole_files,
    writes,
)
from .planted.planting import ALONE, DECLARED, UNDECLARED, Case, lay

CHANNELS = (
    imports, relations, queries, models_by_name, statements, databases, signals, screens, tasks, caches, configuration,
    writes, declarations, whole_files, layouts,
)  # fmt: skip
PLANTS = [each for channel in CHANNELS for each in channel.PLANTS]
LOOK_ALIKES = [each for channel in CHANNELS for each in channel.LOOK_ALIKES]
MODES = (DECLARED, UNDECLARED, ALONE)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return (mode) → {(rule, path, line)}: all cases of a mode lie in one project, which is looked at once."""

    @cache
    def look(mode: str) -> frozenset[tuple[str, str, int]]:
        root = tmp_path_factory.mktemp(mode)
        chosen = [shop.shop(mode), *(each for each in (*PLANTS, *LOOK_ALIKES) if mode in each.modes)]
        apps = lay(root, shop.PACKAGE, mode, chosen)
        contexts = [app for app in apps if (root / shop.PACKAGE / app / "context.py").exists()]
        lay(root, shop.PACKAGE, mode, [Case("settings", shop.settings(mode, apps, contexts), (mode,))])
        ran = subprocess.run(
            [sys.executable, "-W", "error", driver.__file__, shop.PACKAGE],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return frozenset((rule, path, line) for rule, path, line in json.loads(ran.stdout))

    return look


def _each_file(cases: list[Case]) -> list[Any]:
    return [
        pytest.param(each, path, mode, id=f"{mode}: {each.name}: {path}")
        for each in cases
        for mode in each.modes
        for path in each.paths(mode)
    ]


@pytest.mark.parametrize(("planted", "path", "mode"), _each_file(PLANTS))
def test_a_planted_tie_is_found_on_its_line_and_nothing_else_is(seen: Any, planted: Case, path: str, mode: str) -> None:
    found = {one for one in seen(mode) if one[1] == path}

    assert found == {one for one in planted.expected(mode) if one[1] == path}


@pytest.mark.parametrize(("planted", "path", "mode"), _each_file(LOOK_ALIKES))
def test_what_only_looks_like_a_tie_is_let_be(seen: Any, planted: Case, path: str, mode: str) -> None:
    assert [one for one in seen(mode) if one[1] == path] == []


def test_every_plant_has_a_tie_and_no_look_alike_has_one() -> None:
    assert [each.name for each in PLANTS if not any(each.expected(mode) for mode in each.modes)] == []
    assert [each.name for each in LOOK_ALIKES if any(each.expected(mode) for mode in each.modes)] == []


@pytest.mark.parametrize("mode", MODES)
def test_the_shop_that_all_is_planted_in_has_no_ties(seen: Any, mode: str) -> None:
    ours = shop.shop(mode).paths(mode)

    assert {one for one in seen(mode) if one[1] in ours} == set()


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_found_outside_of_what_was_planted(seen: Any, mode: str) -> None:
    planted = {path for each in PLANTS if mode in each.modes for path in each.paths(mode)}

    assert {path for _, path, _ in seen(mode)} <= planted
