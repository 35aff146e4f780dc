"""`startprojection`: a read model of one neighbour's aggregate, fed by its events through the inbox.

May touch: a draft.
"""

from __future__ import annotations

from . import source
from .declaration import declared, with_declared, with_sentence
from .draft import Draft
from .errors import AnchorMissing, NoSuchPart
from .imports import Sorting
from .layout import Layout
from .pieces import insert, tidy
from .projection_words import Words
from .read_model import NewProjection
from .templates import rendered


def start(draft: Draft, layout: Layout, projection: NewProjection) -> None:
    """Plan table, migration, handlers, reads, page and tests. Raise NoSuchPart, AnchorMissing."""
    folder = layout.folder_of(projection.context)
    models = f"{folder}/models.py"
    inbox = next(iter(source.classes(draft, models, "InboxRow")), "")
    if not inbox or not all(source.classes(draft, models, row) for row in ("PositionRow", "ConsumerRow")):
        raise NoSuchPart(
            f"{projection.context} has no inbox, so it cannot listen.",
            where=models,
            fix="add an InboxRow, a PositionRow and a ConsumerRow",
        )
    _ensure_fits(draft, models, projection)
    shared = _handled_already(draft, folder, projection)
    words = Words(projection, layout.package_of(projection.context), inbox=inbox, shared=shared).all()
    sorting = Sorting(layout.own_packages())
    for room in ("models", "projections", "queries", "consumers", "admin"):
        path = f"{folder}/{room}.py"
        if room == "admin" and not draft.exists(path):
            continue
        insert(draft, path, rendered(f"projection/{room}.py", words), sorting)
    _join_handlers(draft, folder, shared)
    if not source.has_table(draft, folder, projection.model):
        last, name = source.next_migration(draft, folder, projection.name)
        draft.create(f"{folder}/migrations/{name}.py", rendered("projection/migration.py", {**words, "last": last}))
    tests = tidy(rendered("projection/test_projection.py", words), sorting)
    draft.create(f"{folder}/tests/test_{projection.name}.py", tests)
    _say(draft, folder, projection)


def _ensure_fits(draft: Draft, models: str, projection: NewProjection) -> None:
    """Raise AnchorMissing if the table is there and could not hold what an event of these carries."""
    there = source.classes(draft, models).get(projection.model)
    if there is None:
        return
    has = source.columns(there)
    key, facts = projection.key, dict(projection.facts())
    lines = [f"{fact.name} = models.{fact.column(is_null=True)}" for fact in facts if fact.name not in has]
    for name, column in has.items():
        is_carried = all(any(fact.name == name for fact in one.columns) for one in projection.heard)
        if name not in (key.name, "version") and "null=True" not in column and not is_carried:
            lines.append(f"{name} = models.…(null=True, …)  # not every event carries it")
    lines += [f"{name} = …" for name in (key.name, "version") if name not in has]
    if lines:
        then = f"(then: manage.py makemigrations {projection.context}; or choose another name)"
        why = f"{projection.model} is there already, and cannot hold what these events carry."
        raise AnchorMissing(why, where=models, lines=[*lines, then])


def _handled_already(draft: Draft, folder: str, projection: NewProjection) -> dict[str, str]:
    """Return the function that handles an event for the context already, by the name of our own handler."""
    there = {projection.handler_of(one): source.handler(draft, folder, one.event.cls) for one in projection.heard}
    return {ours: theirs for ours, theirs in there.items() if theirs and theirs != ours}


def _join_handlers(draft: Draft, folder: str, shared: dict[str, str]) -> None:
    """Let a handler that is there call ours at its end: one consumer has one handler for one event."""
    path = f"{folder}/consumers.py"
    for ours, theirs in shared.items():
        function = source.functions(draft, path)[theirs]
        lines = draft.read(path).splitlines(keepends=True)
        if any(f"{ours}(" in line for line in lines[function.lineno : function.end_lineno]):
            continue
        names = ", ".join(argument.arg for argument in function.args.args)
        at = function.end_lineno or 0
        draft.put(path, "".join([*lines[:at], f"    {ours}({names})\n", *lines[at:]]))


def _say(draft: Draft, folder: str, projection: NewProjection) -> None:
    context, readme = f"{folder}/context.py", f"{folder}/README.md"
    known = declared(draft.read(context), context, "consumes")
    for one in projection.heard:
        if one.event.wire not in known:
            wire = one.event.wire
            draft.edit(context, lambda text, wire=wire: with_declared(text, context, "consumes", wire))  # type: ignore[misc]
    if not draft.exists(readme):
        return
    model = f"`{projection.model}`"
    wires = ", ".join(f"`{one.event.wire}`" for one in projection.heard)
    of_what = f"one row for each {projection.source.aggregate} of {projection.source.context}"
    owns = f"{model} is a read model, {of_what}; only projections write it."
    heard = f"{wires} → {model}, forward only."
    draft.edit(readme, lambda text: text.replace(" No table of the business yet.", ""))
    draft.edit(readme, lambda text: with_sentence(text, readme, "Owns", model, sentence=owns))
    draft.edit(readme, lambda text: with_sentence(text, readme, "Listens to", heard, sentence=heard))
