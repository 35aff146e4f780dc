"""Merges a piece, a small module of its own, into a module: what the module lacks is inserted, nothing is rewritten.

May touch: a draft.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .draft import Draft
from .errors import AnchorMissing
from .imports import Sorting, imports_of, with_import

# Rows of the patterns stand below the tables of the business.
_MESSAGING = {"OutboxRow", "LaneRow", "InboxRow", "PositionRow", "ConsumerRow", "IdempotencyRow"}
_Definition = ast.ClassDef | ast.FunctionDef


def insert(draft: Draft, path: str, piece: str, sorting: Sorting) -> None:
    """Plan a module with the piece in it. Raise AnchorMissing for a module that does not parse."""
    there = draft.read(path) if draft.exists(path) else None
    draft.put(path, merged(there, tidy(piece, sorting), path, sorting))


def merged(text: str | None, piece: str, where: str, sorting: Sorting) -> str:
    """Return the module with the piece's definitions and the imports they need.

    A definition whose name the module has is left out. Without a module the piece is the module. Raise
    AnchorMissing for a module that does not parse.
    """
    if text is None:
        return piece
    try:
        known = {name for name, _ in _named(ast.parse(text))}
    except SyntaxError as wrong:
        raise AnchorMissing(f"{where} does not parse: {wrong}.", where=where, lines=piece.splitlines()) from None
    missing = [node for name, node in _named(ast.parse(piece)) if name not in known]
    if not missing:
        return text
    for wanted in imports_of(piece):
        text = with_import(text, wanted, sorting)
    for node in missing:
        source = _source(piece, node)
        text = _with_definition(text, node, source) if isinstance(node, _Definition) else _with_value(text, source)
    return text


def _named(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    for node in tree.body:
        if isinstance(node, _Definition):
            yield node.name, node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node


def _source(text: str, node: ast.stmt) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[_start(lines, node) : node.end_lineno])


def _start(lines: list[str], node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, _Definition) else []
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)]) - 1
    # The comment above a statement belongs to it.
    while first and lines[first - 1].startswith("#"):
        first -= 1
    return first


def _with_definition(text: str, node: _Definition, source: str) -> str:
    lines = text.splitlines(keepends=True)
    follower = next((one for one in ast.parse(text).body if _comes_after(one, node, text)), None)
    if follower is None:
        return f"{text.rstrip()}\n\n\n{source}"
    at = _start(lines, follower)
    return f"{''.join(lines[:at]).rstrip()}\n\n\n{source}\n\n{''.join(lines[at:])}"


def _comes_after(one: ast.stmt, new: _Definition, text: str) -> bool:
    if isinstance(one, ast.ClassDef) and isinstance(new, ast.ClassDef):
        return any(ast.unparse(base) in _MESSAGING for base in one.bases)
    if isinstance(one, ast.FunctionDef) and not new.name.startswith("_"):
        return one.name.startswith("_")
    # Such as admin's register_messaging(site, "billing") at the end.
    return isinstance(one, ast.Expr) and isinstance(one.value, ast.Call)


def _with_value(text: str, source: str) -> str:
    lines = text.splitlines(keepends=True)
    body = ast.parse(text).body
    top = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    first = next((node for node in body if isinstance(node, _Definition)), None)
    values = [node for node in body if isinstance(node, ast.Assign) and (first is None or node.lineno < first.lineno)]
    last = (values or top or body[:1])[-1]
    at = last.end_lineno or 0
    return "".join([*lines[:at], "" if values else "\n", source, *lines[at:]])


def tidy(piece: str, sorting: Sorting) -> str:
    """Return a piece with its imports sorted and merged, and the blank lines that the formatter wants."""
    tree = ast.parse(piece)
    lines = piece.splitlines(keepends=True)
    found = imports_of(piece)
    text = "".join(lines[: tree.body[0].end_lineno])
    for wanted in found:
        text = with_import(text, wanted, sorting)
    rest = [node for node in tree.body[1:] if node not in tree.body[: 1 + len(found)]]
    if not rest:
        return text
    body = "".join(lines[_start(lines, rest[0]) :])
    blank = "\n\n" if isinstance(rest[0], _Definition) else "\n"
    return f"{text.rstrip()}\n{blank}{body.rstrip()}\n"
