"""Adds imports to a module as the linter would sort them, one line at a time; other lines stay as they are.

May touch: the text it is handed.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection
from dataclasses import dataclass

# Longer than this, and the formatter breaks the line.
LONGEST_LINE = 120


@dataclass(frozen=True)
class Sorting:
    """Which top-level packages are the project's own."""

    own: Collection[str]

    def section(self, node: ast.Import | ast.ImportFrom) -> int:
        """Return 0 for __future__, 1 the standard library, 2 others' packages, 3 our own, 4 relative ones."""
        if isinstance(node, ast.ImportFrom) and node.level:
            return 4
        top = _module(node).split(".", 1)[0]
        if top == "__future__":
            return 0
        if top in sys.stdlib_module_names:
            return 1
        return 3 if top in self.own else 2

    def key(self, node: ast.Import | ast.ImportFrom) -> tuple[int, bool, int, str]:
        """Return what imports are sorted by: section, plain before from, far before near, module."""
        level = node.level if isinstance(node, ast.ImportFrom) else 0
        return (self.section(node), isinstance(node, ast.ImportFrom), -level, _module(node))


def imports_of(text: str) -> list[ast.Import | ast.ImportFrom]:
    """Return a module's imports at its top, in their order."""
    return [node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)]


def with_import(text: str, wanted: ast.Import | ast.ImportFrom, sorting: Sorting) -> str:
    """Return the module with the import added, to a line of the same module or as a line of its own."""
    there = imports_of(text)
    same = next((node for node in there if sorting.key(node) == sorting.key(wanted)), None)
    lines = text.splitlines(keepends=True)
    if same is not None:
        missing = [name for name in _names(wanted) if name not in _names(same)]
        if not missing or isinstance(wanted, ast.Import):
            return text
        new = _statement(wanted, sorted({*_names(same), *missing}, key=_by_type))
        return "".join([*lines[: same.lineno - 1], new, *lines[same.end_lineno :]])
    new = _statement(wanted, sorted(_names(wanted), key=_by_type))
    section = [node for node in there if sorting.section(node) == sorting.section(wanted)]
    if section:
        before = [node for node in section if sorting.key(node) < sorting.key(wanted)]
        at = (before[-1].end_lineno or 0) if before else section[0].lineno - 1
        return "".join([*lines[:at], new, *lines[at:]])
    lower = [node for node in there if sorting.section(node) < sorting.section(wanted)]
    at = (lower[-1].end_lineno or 0) if lower else _end_of_docstring(text)
    rest = lines[at:] if lines[at : at + 1] in ([], ["\n"]) else ["\n", *lines[at:]]
    return "".join([*lines[:at], "\n" if at else "", new, *rest])


def _end_of_docstring(text: str) -> int:
    body = ast.parse(text).body
    is_docstring = body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
    return (body[0].end_lineno or 0) if is_docstring else 0


def _module(node: ast.Import | ast.ImportFrom) -> str:
    return node.names[0].name if isinstance(node, ast.Import) else (node.module or "")


def _names(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [f"{alias.name} as {alias.asname}" if alias.asname else alias.name for alias in node.names]


def _by_type(name: str) -> tuple[int, str]:
    plain = name.split(" ", 1)[0]
    return (0 if plain.isupper() and len(plain) > 1 else 1 if plain[:1].isupper() else 2, plain)


def _statement(node: ast.Import | ast.ImportFrom, names: list[str]) -> str:
    if isinstance(node, ast.Import):
        return f"import {', '.join(names)}\n"
    start = f"from {'.' * node.level}{node.module or ''} import "
    if len(start) + len(", ".join(names)) <= LONGEST_LINE:
        return f"{start}{', '.join(names)}\n"
    return "".join([f"{start}(\n", *(f"    {name},\n" for name in names), ")\n"])
