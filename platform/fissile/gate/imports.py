"""Imports into another context, past its contracts: by statement (grimp's graph) and by string."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import resolve_name

import grimp

from .findings import Finding, Rule
from .names import argument
from .project import Project, SourceFile

IMPORT = Rule(
    id="BND001",
    title="import of another context's private module",
    why="An extracted context has its neighbours' contracts at most; this import fails on the day it leaves.",
    fix="ask through a port (an adapter may read the neighbour's contracts), or keep a local copy fed by its events",
)
BY_STRING = Rule(
    id="BND004",
    title="import of another context by a string",
    why="A linter does not see it, and it fails at run time once the neighbour's code is not there.",
    fix="ask through a port, or move the choice to the settings of the whole project",
)
RULES = (IMPORT, BY_STRING)

# The doors that speak a neighbour's language, and what they may read of it.
_SPEAKING = ("adapters/", "adapters.py", "consumers/", "consumers.py")
_PUBLIC = ("contracts", "facade")
# Function → the name of its first argument.
_IMPORTERS = {
    "importlib.import_module": "name",
    "importlib.util.find_spec": "name",
    "pkgutil.resolve_name": "name",
    "django.utils.module_loading.import_string": "dotted_path",
    "django.utils.module_loading.import_module": "name",
    "__import__": "name",
    "builtins.__import__": "name",
}


def find(project: Project) -> Iterator[Finding]:
    """Yield one finding per statement and imported module."""
    yield from _statements(project)
    for file in project.files():
        yield from _of_absent(project, file)
        for node in file.nodes:
            if isinstance(node, ast.Call | ast.Subscript):
                yield from _by_string(project, file, node)


def _statements(project: Project) -> Iterator[Finding]:
    tops = sorted({context.package.split(".")[0] for context in project.contexts})
    if not tops:
        return
    graph = grimp.build_graph(*tops, cache_dir=None)
    for module, file in sorted(project.by_module.items()):
        if module not in graph.modules:
            continue
        for target in sorted(graph.find_modules_directly_imported_by(module)):
            other = project.context_of_module(target)
            if other in (None, file.context) or _is_allowed(project, file, target):
                continue
            for each in graph.get_import_details(importer=module, imported=target):
                line = _first_line(file, each["line_number"])
                yield IMPORT.at(file, line, f"{module} imports {target}", other=str(other))


def _of_absent(project: Project, file: SourceFile) -> Iterator[Finding]:
    """Yield imports of contexts that are not installed here: the graph has no such modules."""
    present = {context.name for context in project.contexts}
    for node in file.nodes:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        base = file.names.origin(node) if isinstance(node, ast.ImportFrom) else ""
        for alias in node.names:
            named = f"{base}.{alias.name}" if base else alias.name
            target = base if base and project.context_of_module(base) else named
            other = project.context_of_module(target)
            if other is not None and other not in present and not _is_allowed(project, file, target):
                yield IMPORT.at(file, node, f"{file.module} imports {target}", other=other)


def _by_string(project: Project, file: SourceFile, node: ast.Call | ast.Subscript) -> Iterator[Finding]:
    if isinstance(node, ast.Subscript):
        targets = file.names.texts(node.slice) if file.names.dotted(node.value) == "sys.modules" else []
    elif (name := _IMPORTERS.get(file.names.dotted(node.func))) is not None:
        package = file.names.text(argument(node, 1, "package")) or ""
        targets = [_absolute(text, package) for text in file.names.texts(argument(node, 0, name))]
    else:
        return
    for target in targets:
        other = project.context_of_module(target)
        if other not in (None, file.context) and not _is_allowed(project, file, target):
            yield BY_STRING.at(file, node, f"{file.module} imports {target} by its name", other=str(other))
            return


def _absolute(target: str, package: str) -> str:
    target = target.replace(":", ".")
    try:
        return resolve_name(target, package)
    except ImportError:
        return target


def _is_allowed(project: Project, file: SourceFile, target: str) -> bool:
    other = project.context_of_module(target)
    package = next((c.package for c in project.contexts if c.name == other), "")
    room = target.removeprefix(f"{package}.").split(".")[0] if package else _room_of_absent(target)
    if project.is_declared:
        return room == "contracts" and file.room.startswith(_SPEAKING)
    return room in _PUBLIC


def _room_of_absent(target: str) -> str:
    return "contracts" if "contracts" in target.split(".") else target.rsplit(".", 1)[-1]


def _first_line(file: SourceFile, line: int) -> int:
    # A statement over several lines is told by its first.
    for node in file.nodes:
        if isinstance(node, ast.Import | ast.ImportFrom) and node.lineno <= line <= (node.end_lineno or node.lineno):
            return node.lineno
    return line
