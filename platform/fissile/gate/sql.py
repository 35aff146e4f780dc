"""SQL that names another context's tables, and queries sent to another context's alias."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from django.db import DEFAULT_DB_ALIAS

from .findings import Finding, Rule
from .names import argument, keyword
from .project import GateContext, Project, SourceFile

RAW = Rule(
    id="BND020",
    title="raw SQL that names another context's table",
    why="The table is on another database after a cut, and the owner cannot change it before.",
    fix="ask the owner through a port, or keep a copy fed by its events",
)
ALIAS = Rule(
    id="BND022",
    title="query on another context's database",
    why="Each context has a role that may open its own database only.",
    fix="ask the owner through a port",
)
RULES = (RAW, ALIAS)

# Pieces of a statement are SQL here; whole statements are read wherever a call takes them.
_FRAGMENTS = {"extra", "RawSQL", "RunSQL", "execute", "executemany", "raw"}
_LITERAL = (ast.Constant, ast.JoinedStr, ast.Name)
_LOGGING = {"debug", "info", "warning", "error", "exception", "critical", "log", "print", "warn"}
_NOISE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_VERB = re.compile(
    r"\b(select|insert|update|delete|from|join|create|alter|drop|truncate|lock|merge|copy|table)\b", re.IGNORECASE
)
_STATEMENT = re.compile(
    r"\s*(select\b.*\bfrom\b|insert\s+into\b|update\b.*\bset\b|delete\s+from\b|with\b.*\bas\b.*\(|truncate\b"
    r"|copy\b.*\b(to|from)\b|lock\s+table\b|merge\s+into\b|(create|alter|drop)\s+(or\s+replace\s+)?\w+)",
    re.IGNORECASE | re.DOTALL,
)
_NAMED = re.compile(
    r"(?:\b(?:from|join|into|update|table|only|references|exists|truncate|using|copy)\s+|,\s*)"
    r"(?:[\"`]?\w+[\"`]?\.)?[\"`]?(\w+)(?=[\"`\s,;)]|$)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z_]\w*")


def find(project: Project) -> Iterator[Finding]:
    """Yield calls that run SQL or choose an alias, judged by what their text names."""
    for context in project.contexts:
        for file in context.files:
            for call in file.calls():
                yield from _statement(project, file, call)
            if project.is_declared:
                yield from _aliases(project, file)
        for path in context.paths("*.sql"):
            yield from _script(project, context, path)


def foreign_tables(project: Project, context: str, sql: str) -> dict[str, str]:
    """Return the tables of other contexts that a statement names: table → owner."""
    text = _NOISE.sub(" ", sql)
    if not _VERB.search(text):
        return {}
    found = {}
    for word in _WORD.findall(text):
        owner = project.tables.get(word.lower())
        if owner not in (None, context):
            found[word.lower()] = str(owner)
    if project.is_declared:
        # A neighbour that is not installed here has no models to know its tables by; its prefix tells.
        for word in _NAMED.findall(text):
            owner = project.context_of_label(word.lower().split("_", 1)[0]) if "_" in word else None
            if owner not in (None, context) and not word.lower().startswith(f"{context}_"):
                found[word.lower()] = str(owner)
    return found


def _statement(project: Project, file: SourceFile, call: ast.Call) -> Iterator[Finding]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    # A message is no statement, however much it quotes one.
    if name in _LOGGING or isinstance(file.names.parents.get(call), ast.Raise):
        return
    for text in _texts(file, call, name):
        for table, owner in sorted(foreign_tables(project, file.context, text).items()):
            yield RAW.at(file, call, f"{file.module} names {table}, a table of {owner}, in SQL", other=owner)
            return


def _texts(file: SourceFile, call: ast.Call, name: str) -> Iterator[str]:
    given = [*call.args, *(one.value for one in call.keywords)]
    if name in ("extra", "RunSQL"):
        # extra(tables=[…], where=[…]) gives pieces of a statement.
        for node in given:
            parts = [text for each in ast.walk(node) if isinstance(each, _LITERAL) for text in file.names.texts(each)]
            if parts:
                yield f"from {' '.join(parts)}"
        return
    for node in given if name not in _FRAGMENTS else given[:1]:
        for text in file.names.texts(node):
            if name in _FRAGMENTS or _STATEMENT.match(_NOISE.sub(" ", text)):
                yield text


def _script(project: Project, context: GateContext, path: Path) -> Iterator[Finding]:
    text = path.read_text(encoding="utf-8", errors="replace")
    # As many lines as before.
    text = _NOISE.sub(lambda noise: "\n" * noise[0].count("\n"), text)
    for number, line in enumerate(text.splitlines(), start=1):
        for word in _WORD.findall(line):
            owner = project.tables.get(word.lower())
            if owner not in (None, context.name):
                yield Finding(
                    path=path, line=number, rule_id=RAW.id, context=context.name, other=str(owner),
                    what=f"{path.name} names {word.lower()}, a table of {owner}",
                )  # fmt: skip


def _aliases(project: Project, file: SourceFile) -> Iterator[Finding]:
    for node in file.nodes:
        if isinstance(node, ast.Call):
            yield from _using(project, file, node)
        elif isinstance(node, ast.Subscript) and file.names.dotted(node.value) == "django.db.connections":
            yield from _alias(project, file, node, node.slice)
        elif isinstance(node, ast.Name) and file.names.dotted(node) == "django.db.connection":
            yield ALIAS.at(file, node, f"{file.module} queries default, which is nobody's database")


def _using(project: Project, file: SourceFile, call: ast.Call) -> Iterator[Finding]:
    if file.names.dotted(call.func).startswith("django.db.transaction."):
        return
    if isinstance(call.func, ast.Attribute) and call.func.attr in ("using", "db_manager"):
        yield from _alias(project, file, call, argument(call, 0, "using"))
    elif (node := keyword(call, "using")) is not None:
        yield from _alias(project, file, call, node)


def _alias(project: Project, file: SourceFile, where: ast.AST, node: ast.expr | None) -> Iterator[Finding]:
    for alias in aliases(file, node):
        other = project.context_of_label(alias)
        if other not in (None, file.context):
            yield ALIAS.at(file, where, f"{file.module} queries {alias}'s database", other=str(other))
        elif alias == DEFAULT_DB_ALIAS:
            yield ALIAS.at(file, where, f"{file.module} queries default, which is nobody's database")


def aliases(file: SourceFile, node: ast.expr | None) -> list[str]:
    """Return the aliases that an expression may name."""
    is_default = file.names.dotted(node) in ("django.db.DEFAULT_DB_ALIAS", "django.db.utils.DEFAULT_DB_ALIAS")
    return [DEFAULT_DB_ALIAS] if is_default else file.names.texts(node)
