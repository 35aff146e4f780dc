"""What a planted case is, and how its sources are laid into a project. A line's expected finding stands on the line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

# "# gate: BND001" or "{# gate: BND060 #}"; "BND010/declared" is expected in that mode only.
_MARK = re.compile(r"gate: ((?:BND\d+(?:/\w+)?,? ?)+)")

DECLARED, UNDECLARED, ALONE = "declared", "undeclared", "alone"


@dataclass(frozen=True)
class Case:
    """A few files of a project of contexts, paths below its package, in the modes they are meant for.

    A plant has marked lines; a look-alike has none.
    """

    name: str
    files: Mapping[str, str]
    modes: tuple[str, ...]

    def paths(self, mode: str) -> list[str]:
        """Return the files that exist in a mode: where nothing is declared, there is no context.py."""
        return [path for path in self.files if mode != UNDECLARED or not path.endswith("/context.py")]

    def source(self, path: str) -> str:
        """Return a file's text."""
        return dedent(self.files[path]).lstrip("\n")

    def expected(self, mode: str) -> set[tuple[str, str, int]]:
        """Return (rule id, path, line) of every mark."""
        return {
            (rule, path, line)
            for path in self.paths(mode)
            for line, text in enumerate(self.source(path).splitlines(), start=1)
            for rule in _marks(text, mode)
        }


def case(name: str, files: Mapping[str, str], *modes: str) -> Case:
    """Return a case of the given modes, else of a whole project, declared or not."""
    return Case(name, files, modes or (DECLARED, UNDECLARED))


def _marks(text: str, mode: str) -> Iterator[str]:
    for mark in _MARK.findall(text):
        for one in mark.replace(",", " ").split():
            rule, _, only = one.partition("/")
            if only in ("", mode):
                yield rule


def lay(root: Path, package: str, mode: str, cases: list[Case]) -> list[str]:
    """Write the cases' files below `root/package`; return the apps among their folders, in order.

    A module of `models/` is imported by its package, so that Django knows its models.
    """
    apps: list[str] = []
    for each in cases:
        for path in each.paths(mode):
            target = root / package / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                raise ValueError(f"{each.name}: {path} is already planted")
            target.write_text(each.source(path), encoding="utf-8")
            if path.endswith("/apps.py"):
                apps.append(path.removesuffix("/apps.py").replace("/", "."))
    for folder in sorted({path.parent for path in (root / package).rglob("*.py")} | {root / package}):
        initial = folder / "__init__.py"
        if not initial.exists():
            modules = sorted(path.stem for path in folder.glob("*.py")) if folder.name == "models" else []
            initial.write_text("".join(f"from .{module} import *\n" for module in modules), encoding="utf-8")
    return apps
