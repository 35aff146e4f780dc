"""`startcontext --remove`: takes out what startcontext made, and what other scaffolds wrote outside of the folder.

May touch: a draft. Nothing goes that is only here, unless told so; nothing goes that others build on.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import table
from .context import MARK, NewContext, files
from .declaration import declared
from .draft import Draft
from .errors import NotRemovable
from .layout import Layout
from .offers import without_caller
from .work_tree import unsaved

_SHOWN = 5
# Never source: what tools leave, and folders that begin with a dot.
_NOT_SOURCE = {"__pycache__", "node_modules", "build", "dist"}


def remove(draft: Draft, layout: Layout, name: str, *, is_sure: bool) -> list[str]:
    """Plan to take a context out; return the files that no commit holds (`is_sure` lets them go).

    Nothing is planned for a context that is not there. Raise NotRemovable, AnchorMissing.
    """
    package = layout.packages.get(name, f"{layout.apps_package}.{name}")
    context = NewContext(name=name, package=package, port=0)
    there = draft.files_of(context.folder)
    if name not in layout.packages and not there:
        return []
    if f"{context.folder}/{MARK}" not in there or draft.read(f"{context.folder}/{MARK}") != files(context)[MARK]:
        raise NotRemovable(
            f"{name} was not made by startcontext: its {MARK} is another one.",
            where=context.folder,
            fix=f"take its folder and its lines in {layout.contexts} and {layout.import_rules} out by hand",
        )
    _ensure_free(draft, layout, context)
    lost = _lost(draft, context)
    if lost and not is_sure:
        raise NotRemovable(
            f"{_counted(lost)} of {name} would be lost: no commit holds {'it' if len(lost) == 1 else 'them'}.",
            where=_listed(lost),
            fix=f"commit first, then again; or let them go: startcontext {name} --remove --force",
        )
    _take_out(draft, layout, context)
    return lost


def _take_out(draft: Draft, layout: Layout, context: NewContext) -> None:
    # First what makes it known: a process that starts meanwhile then misses nothing.
    draft.edit(layout.contexts, lambda text: table.without_context(text, layout.contexts, name=context.name))
    if draft.exists(layout.import_rules):
        draft.edit(layout.import_rules, lambda text: table.without_import_rules(text, package=context.package))
    for path in _declarations(draft, layout, context):
        draft.edit(path, lambda text, path=path: without_caller(text, path, context.name))  # type: ignore[misc]
    draft.remove_folder(context.folder)


def _declarations(draft: Draft, layout: Layout, context: NewContext) -> Iterator[str]:
    """Yield the context.py of every other context."""
    for name in layout.packages:
        path = f"{layout.folder_of(name)}/context.py"
        if name != context.name and draft.exists(path):
            yield path


def _lost(draft: Draft, context: NewContext) -> list[str]:
    """Return the files that are neither as startcontext makes them nor in the last commit as they are."""
    fresh = {f"{context.folder}/{path}": text for path, text in files(context).items()}
    only_here = unsaved(draft.root, context.folder)
    return [
        path
        for path in draft.files_of(context.folder)
        if (only_here is None or path in only_here) and not _is_fresh(draft.root / path, fresh.get(path))
    ]


def _is_fresh(path: Path, fresh: str | None) -> bool:
    if fresh is None:
        return False
    text = path.read_bytes().decode(errors="replace")
    if path.name == "README.md":
        # Its third line is what --purpose said.
        return text.splitlines()[:2] + text.splitlines()[3:] == fresh.splitlines()[:2] + fresh.splitlines()[3:]
    return text == fresh


def _ensure_free(draft: Draft, layout: Layout, context: NewContext) -> None:
    """Raise NotRemovable if a declaration, or an import anywhere in the project, names the context."""
    ties = [
        f"{path} {keyword} {name}"
        for path in _declarations(draft, layout, context)
        for keyword in ("consumes", "asks", "sends", "requests")
        for name in declared(draft.read(path), path, keyword)
        if name.startswith(f"{context.name}.")
    ]
    ties += [
        f"{path}:{line} imports {module}"
        for path in _sources(draft.root, context.folder)
        for line, module in _imports((draft.root / path).read_bytes(), context.package)
    ]
    if ties:
        raise NotRemovable(
            f"{context.name} is in use.",
            where=_listed(ties),
            fix="take these out first, with the code behind them; --force does not",
        )


def _sources(root: Path, folder: str) -> list[str]:
    found = (path.relative_to(root) for path in root.rglob("*.py"))
    return sorted(
        path.as_posix()
        for path in found
        if not path.is_relative_to(folder) and not any(p in _NOT_SOURCE or p.startswith(".") for p in path.parts)
    )


def _imports(source: bytes, package: str) -> Iterator[tuple[int, str]]:
    if package.rpartition(".")[2].encode() not in source:
        return
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        hit = next((one for one in modules if one == package or one.startswith(f"{package}.")), None)
        if hit:
            yield node.lineno, hit


def _counted(paths: Sequence[str]) -> str:
    return f"{len(paths)} file{'' if len(paths) == 1 else 's'}"


def _listed(lines: Sequence[str]) -> str:
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "\n        ".join([*lines[:_SHOWN], *more])
