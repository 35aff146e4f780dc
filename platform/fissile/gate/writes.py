"""Aggregates that change past the outbox."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

from .findings import Finding, Rule
from .meanings import Kind
from .project import Project

PAST_OUTBOX = Rule(
    id="BND110",
    title="aggregate written past the outbox",
    why="Its neighbours hear of no event, and their copies are wrong for ever.",
    fix="change it in a unit of work: work.record(row, Event(…))",
)
RULES = (PAST_OUTBOX,)
_ON_QUERIES = {
    "update", "delete", "bulk_create", "bulk_update", "create", "get_or_create", "update_or_create", "aupdate",
    "adelete", "abulk_create", "abulk_update", "acreate", "aget_or_create", "aupdate_or_create", "_raw_delete",
    # Of related managers.
    "add", "remove", "set", "clear", "aadd", "aremove", "aset", "aclear",
}  # fmt: skip
_ON_ROWS = {"save", "delete", "asave", "adelete", "save_base"}


def find(project: Project) -> Iterator[Finding]:
    """Yield writes to an aggregate's model, a query of it or a row of it, as far as the source says which it is."""
    library = sys.modules.get("fissile.data.models")
    if library is None:
        return
    for file in project.files():
        if file.is_migration:
            continue
        for call in file.calls():
            if not isinstance(call.func, ast.Attribute) or call.func.attr not in _ON_QUERIES | _ON_ROWS:
                continue
            written = file.meanings.of(call.func.value)
            if written is None or not issubclass(written.model, library.AggregateRow):
                continue
            if call.func.attr in (_ON_QUERIES if written.kind is Kind.QUERY else _ON_ROWS):
                label = written.model._meta.label
                yield PAST_OUTBOX.at(file, call, f".{call.func.attr}() changes {label} without an event")
