"""Transactions on no alias, or on another context's."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from django.db import DEFAULT_DB_ALIAS

from .findings import Finding, Rule
from .names import argument, keyword
from .project import Project, SourceFile
from .sql import aliases

NO_ALIAS = Rule(
    id="BND100",
    title="atomic or on_commit without an alias",
    why="It means the default database: the context's own rows commit one by one beside it.",
    fix='open a unit of work, or name the alias: transaction.atomic(using="<context>")',
)
FOREIGN = Rule(
    id="BND101",
    title="transaction on another context's database",
    why="State of two contexts would commit together; after a cut nothing can.",
    fix="let the other change its state when it hears your event",
)
RULES = (NO_ALIAS, FOREIGN)
_POSITION = {
    "django.db.transaction.atomic": 0, "django.db.transaction.on_commit": 1, "django.db.transaction.commit": 0,
    "django.db.transaction.rollback": 0, "django.db.transaction.set_autocommit": 1,
    "django.db.transaction.savepoint": 0, "django.db.transaction.non_atomic_requests": 0,
    "django.db.transaction.savepoint_commit": 1, "django.db.transaction.savepoint_rollback": 1,
    "django.db.transaction.set_rollback": 1, "django.db.transaction.get_connection": 0,
    "django.db.transaction.get_autocommit": 0, "django.db.transaction.clean_savepoints": 0,
}  # fmt: skip


def find(project: Project) -> Iterator[Finding]:
    """Yield transactions; a project that declares nothing has one database for all, and no finding."""
    if not project.is_declared:
        return
    for file in project.files():
        for node in file.nodes:
            if isinstance(node, ast.Call):
                yield from _call(project, file, node)
            elif isinstance(node, ast.Name | ast.Attribute) and _is_handed_on(file, node):
                yield NO_ALIAS.at(file, node, f"{ast.unparse(node)} names no alias")


def _is_handed_on(file: SourceFile, node: ast.Name | ast.Attribute) -> bool:
    """Return whether one of Django's functions is used without a call of its own: as a decorator, or an argument."""
    parent = file.names.parents.get(node)
    if isinstance(parent, ast.Attribute) or (isinstance(parent, ast.Call) and parent.func is node):
        return False
    if isinstance(parent, ast.Call) and keyword(parent, "using") is not None:
        return False  # partial(transaction.atomic, using=…)
    return file.names.dotted(node) in _POSITION


def _call(project: Project, file: SourceFile, call: ast.Call) -> Iterator[Finding]:
    dotted = file.names.dotted(call.func)
    if dotted not in _POSITION:
        return
    given = argument(call, _POSITION[dotted], "using")
    if given is None and not any(one.arg is None for one in call.keywords):
        yield NO_ALIAS.at(file, call, f"{ast.unparse(call.func)}() names no alias")
        return
    for alias in aliases(file, given):
        if (other := project.context_of_label(alias)) not in (None, file.context):
            yield FOREIGN.at(file, call, f"{ast.unparse(call.func)} on {alias}'s database", other=str(other))
        elif alias == DEFAULT_DB_ALIAS:
            yield NO_ALIAS.at(file, call, f"{ast.unparse(call.func)} on default, which is nobody's database")
