"""Migrations that wait for another context's."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from django.conf import settings

from .findings import Finding, Rule
from .project import Project, SourceFile

DEPENDENCY = Rule(
    id="BND040",
    title="migration that depends on another context's",
    why="It cannot run on a database on which the other's migrations never ran.",
    fix="drop the relation first (keep the id as a plain column); then make the dependency go with a new migration",
)
RULES = (DEPENDENCY,)


def find(project: Project) -> Iterator[Finding]:
    """Yield foreign entries of `dependencies` and `run_before`."""
    for file in project.files():
        if not file.is_migration:
            continue
        for cls in file.names.classes.values():
            for name in ("dependencies", "run_before"):
                for binding in file.names.attributes(cls, name):
                    yield from _entries(project, file, binding.node)


def _entries(project: Project, file: SourceFile, listed: ast.AST) -> Iterator[Finding]:
    if isinstance(listed, ast.BinOp):
        yield from _entries(project, file, listed.left)
        yield from _entries(project, file, listed.right)
    elif isinstance(listed, ast.Starred | ast.Name):
        for value in file.names.values(listed.value if isinstance(listed, ast.Starred) else listed):
            yield from _entries(project, file, value)
    elif isinstance(listed, ast.List) or (isinstance(listed, ast.Tuple) and _label(file, listed) is None):
        for entry in listed.elts:
            yield from _entries(project, file, entry)
    else:
        label = _label(file, listed)
        other = project.context_of_label(label) if label else None
        if other not in (None, file.context):
            yield DEPENDENCY.at(file, listed, f"{file.module} depends on migrations of {label}", other=str(other))


def _label(file: SourceFile, entry: ast.AST) -> str | None:
    if isinstance(entry, ast.Tuple) and entry.elts:
        return file.names.text(entry.elts[0])
    if isinstance(entry, ast.Call) and file.names.dotted(entry).endswith("swappable_dependency") and entry.args:
        model = file.names.text(entry.args[0]) or swapped(file, entry.args[0])
        return model.split(".")[0] if model else None
    return None


def swapped(file: SourceFile, node: ast.AST | None) -> str | None:
    """Return `app.Model` for settings.AUTH_USER_MODEL or get_user_model(), else None."""
    dotted = file.names.dotted(node)
    if dotted in ("django.conf.settings.AUTH_USER_MODEL", "django.contrib.auth.get_user_model"):
        return str(settings.AUTH_USER_MODEL)
    return None
