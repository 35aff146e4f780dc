"""`startevent`: a fact that a context publishes, the wish that records it, and its form on the wire.

May touch: a draft.
"""

from __future__ import annotations

from . import source
from .declaration import declared, with_addition, with_declared, with_row, with_sentence
from .draft import Draft
from .errors import BadName, NoSuchPart
from .event_words import NewEvent, Words, says, schema_of
from .facts import facts_of
from .imports import Sorting
from .layout import Layout
from .pieces import insert
from .templates import rendered
from .words import article


def start(draft: Draft, layout: Layout, event: NewEvent) -> None:
    """Plan the event and the code that makes it; nothing if it is there with these fields.

    Raise BadName if it is there with others, NoSuchPart for a context without an outbox.
    """
    folder = layout.folder_of(event.context)
    models, declaration = f"{folder}/models.py", f"{folder}/context.py"
    _ensure_same(draft, folder, event)
    # Written last, so it tells that all the rest is there.
    if event.wire in declared(draft.read(declaration), declaration, "publishes"):
        return
    if not source.classes(draft, models, "OutboxRow"):
        raise NoSuchPart(
            f"{event.context} has no outbox, so it cannot publish.", where=models, fix="add an OutboxRow and a LaneRow"
        )
    is_first = event.model not in source.classes(draft, models, "AggregateRow")
    _write(draft, layout, event, is_first=is_first)
    _say(draft, folder, event, is_first=is_first)
    draft.edit(declaration, lambda text: with_declared(text, declaration, "publishes", event.wire))


def _ensure_same(draft: Draft, folder: str, event: NewEvent) -> None:
    path = f"{folder}/contracts/events.py"
    there = source.classes(draft, path).get(event.cls)
    if there is None:
        return
    has = {fact.name: fact.annotation for fact in facts_of(source.body_with_bases(draft, path, there))}
    asked = {f"{event.aggregate}_id": "UUID", **{field.name: field.written_type for field in event.fields}}
    if has != asked:
        raise BadName(
            f"{event.wire} is there with other fields: it has {_listed(has)}; asked for was {_listed(asked)}.",
            where=f"{path}, class {event.cls}",
            fix="a fact that was told stays as it is: start another one for what is new, "
            "or add a field with a default to the class by hand",
        )


def _listed(fields: dict[str, str]) -> str:
    return ", ".join(f"{name}: {kind}" for name, kind in fields.items())


def _write(draft: Draft, layout: Layout, event: NewEvent, *, is_first: bool) -> None:
    folder = layout.folder_of(event.context)
    row = source.classes(draft, f"{folder}/models.py").get(event.model)
    columns = {} if row is None else source.columns(row)
    words = Words(event, package=layout.package_of(event.context), columns=columns, is_first=is_first).all()
    sorting = Sorting(layout.own_packages())
    for path, template in _pieces(draft, folder, event, is_first=is_first):
        insert(draft, f"{folder}/{path}", rendered(f"event/{template}", words), sorting)
    if is_first:
        last, name = source.next_migration(draft, folder, event.aggregate)
        draft.create(f"{folder}/migrations/{name}.py", rendered("event/migration.py", {**words, "last": last}))
    draft.create(f"{folder}/contracts/schemas/{event.fact}.v1.json", schema_of(event))


def _pieces(draft: Draft, folder: str, event: NewEvent, *, is_first: bool) -> list[tuple[str, str]]:
    """Return which template goes into which file."""
    always = ["contracts/events.py", "contracts/errors.py", "tests/test_contracts.py"]
    if is_first:
        always += ["models.py", "domain.py", "queries.py"]
        # A context that an operator cannot look into stays so.
        always += ["admin.py"] if draft.exists(f"{folder}/admin.py") else []
    found = [(path, path) for path in always]
    which = ["first"] if is_first else ["next"]
    if f"{article(event.aggregate)}_{event.aggregate}" in source.functions(draft, f"{folder}/tests/test_usecases.py"):
        which.append("told")
    found.append(("usecases.py", f"usecases_{which[0]}.py"))
    return found + [("tests/test_usecases.py", f"tests/test_usecases_{one}.py") for one in which]


def _say(draft: Draft, folder: str, event: NewEvent, *, is_first: bool) -> None:
    readme, changelog = f"{folder}/README.md", f"{folder}/contracts/CHANGELOG.md"
    if draft.exists(readme):
        said = says(event.fact)
        row = f"| `{event.wire}` | {said[:1].lower()}{said[1:]} |"
        draft.edit(
            readme,
            lambda text: with_row(text, readme, "Publishes", f"`{event.wire}`", row=row, head="| event | when |"),
        )
        draft.edit(readme, lambda text: text.replace(" No table of the business yet.", ""))
    if draft.exists(readme) and is_first:
        model = f"`{event.model}`"
        owns = f"{model} is an aggregate: it changes only together with an event, and a trigger refuses the rest."
        draft.edit(readme, lambda text: with_sentence(text, readme, "Owns", model, sentence=owns))
    if draft.exists(changelog):
        names = ", ".join(f"`{name}`" for name in (f"{event.aggregate}_id", *(field.name for field in event.fields)))
        line = f"- `{event.wire}`: {names}."
        draft.edit(changelog, lambda text: with_addition(text, changelog, f"`{event.wire}`", line=line))
