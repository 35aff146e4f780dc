"""Cache keys that two contexts could share."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from .findings import Finding, Rule
from .names import argument, keyword
from .project import GateContext, Project, SourceFile
from .templates import lines_of

SHARED = Rule(
    id="BND080",
    title="cache key without the context's prefix",
    why="Two contexts read each other's entries while they share a cache, and miss them once they do not.",
    fix="begin the key with the context's name and a colon, such as orders:…",
    is_advice_undeclared=True,
)
RULES = (SHARED,)
_ONE = {"get", "set", "add", "get_or_set", "delete", "incr", "decr", "touch", "has_key", "incr_version", "lock"}
_ONE |= {f"a{name}" for name in _ONE}
_MANY = {"get_many", "set_many", "delete_many", "aget_many", "aset_many", "adelete_many"}
_FRAGMENT = re.compile(r"\{%-?\s*cache\s+\S+\s+([\w.:-]+)")


def find(project: Project) -> Iterator[Finding]:
    """Yield keys whose beginning can be read and is not the context's own."""
    for context in project.contexts:
        for file in context.files:
            for call in file.calls():
                yield from _call(project, file, call)
        for path in context.templates:
            yield from _fragments(project, context, path)


def _call(project: Project, file: SourceFile, call: ast.Call) -> Iterator[Finding]:
    if file.names.dotted(call.func) == "django.views.decorators.cache.cache_page":
        if project.is_declared:
            yield from _judge(project, file, call, file.names.text(keyword(call, "key_prefix")) or "a view's page")
        return
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in _ONE | _MANY | {"clear"}:
        return
    cache = next((each for each in file.names.values(call.func.value) if _is_cache(file, each)), None)
    if cache is None and not _is_cache(file, call.func.value):
        return
    owner = _owner_of_cache(project, file, cache)
    if owner == file.context:
        return
    if owner is not None:
        yield SHARED.at(file, call, f"{file.module} works with the cache of {owner}", other=owner)
    elif call.func.attr == "clear":
        if project.is_declared:
            yield SHARED.at(file, call, f"{file.module} clears every context's entries")
    else:
        for key in _keys(file, call):
            yield from _judge(project, file, call, key)


def _is_cache(file: SourceFile, node: ast.expr) -> bool:
    return file.names.dotted(node) in ("django.core.cache.cache", "django.core.cache.caches")


def _owner_of_cache(project: Project, file: SourceFile, cache: ast.expr | None) -> str | None:
    """Return the context after which a cache is named, if all of its keys begin so."""
    alias = file.names.text(cache.slice) if isinstance(cache, ast.Subscript) else None
    owner = project.context_of_label(alias) if alias else None
    options = settings.CACHES.get(alias or "", {})
    return owner if owner and str(options.get("KEY_PREFIX", "")).startswith(owner) else None


def _keys(file: SourceFile, call: ast.Call) -> Iterator[str]:
    is_one = isinstance(call.func, ast.Attribute) and call.func.attr in _ONE
    given = argument(call, 0, "key" if is_one else "keys") or keyword(call, "data")
    many = given.keys if isinstance(given, ast.Dict) else getattr(given, "elts", [])
    for node in [given] if is_one else many:
        if (text := _key_text(file, node)) is not None:
            yield text


def _key_text(file: SourceFile, node: ast.expr | None) -> str | None:
    if (text := file.names.text(node)) is not None or not isinstance(node, ast.Call):
        return text
    # A function of this module that only makes the key.
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    for function in file.nodes:
        if isinstance(function, ast.FunctionDef) and function.name == name:
            answers = [each.value for each in ast.walk(function) if isinstance(each, ast.Return)]
            if len(answers) == 1:
                return file.names.text(answers[0])
    return None


def _judge(project: Project, file: SourceFile, call: ast.Call, key: str) -> Iterator[Finding]:
    owner = _owner(project, key)
    if owner not in (None, file.context):
        yield SHARED.at(file, call, f"the cache key {key!r} has the prefix of {owner}", other=str(owner))
    elif project.is_declared and not key.startswith(("{", f"{file.context}:")):
        yield SHARED.at(file, call, f"the cache key {key!r} does not begin with {file.context}:")


def _owner(project: Project, key: str) -> str | None:
    match = re.match(r"(\w+?)[:.]", key)
    return project.context_of_label(match[1]) if match else None


def _fragments(project: Project, context: GateContext, path: Path) -> Iterator[Finding]:
    for number, line in lines_of(path) if project.is_declared else ():
        for name in _FRAGMENT.findall(line):
            if not re.match(rf"{re.escape(context.name)}[._:-]", name):
                yield Finding(
                    path=path, line=number, rule_id=SHARED.id, context=context.name, other="",
                    what=f"the cached fragment {name} does not begin with {context.name}",
                )  # fmt: skip
