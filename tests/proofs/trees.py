"""Copies of the source tree that a clause may thin out, plant lines in, and run.

May touch: a folder of its own.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.house import ROOT

PARTS = ("apps", "bff_app", "gateway_app", "platform", "settings", "deploy", "manage.py", ".importlinter")
_NOT_SOURCE = shutil.ignore_patterns("tests", "fissile_tests", "*.egg-info")


@contextmanager
def copied_tree(plants: Mapping[str, str]) -> Iterator[Path]:
    """Yield a copy of what the shop runs from, with lines appended to the files named in `plants`."""
    tree = Path(tempfile.mkdtemp(prefix="fissile-tree-"))
    try:
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, tree / part, ignore=_NOT_SOURCE)
            elif source.exists():
                shutil.copy2(source, tree / part)
        for path, lines in plants.items():
            with (tree / path).open("a", encoding="utf-8") as file:
                file.write(lines)
        yield tree
    finally:
        shutil.rmtree(tree, ignore_errors=True)


def keep_only_contracts(tree: Path, package: str) -> list[str]:
    """Take everything out of a context but its `contracts/` and `__init__.py`; return what is left."""
    room = tree / package
    if not (room / "contracts").exists():
        shutil.rmtree(room)
        return []
    for inside in room.iterdir():
        if inside.is_dir() and inside.name != "contracts":
            shutil.rmtree(inside)
        elif inside.is_file() and inside.name != "__init__.py":
            inside.unlink()
    return sorted(str(path.relative_to(tree)) for path in room.rglob("*.py"))


def paths_of(tree: Path) -> dict[str, str]:
    """Return the environment in which the tree's own code is found first."""
    return {"PYTHONPATH": f"{tree / 'platform'}:{tree}"}
