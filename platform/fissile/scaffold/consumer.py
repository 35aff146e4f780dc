"""`startconsumer`: a neighbour's event at a context's door, through its inbox, into a use case.

May touch: a draft.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import source
from .code import fitted, import_lines, opened
from .declaration import declared, with_declared, with_sentence
from .draft import Draft
from .errors import BadName
from .event_words import says
from .imports import Sorting
from .layout import Layout
from .pieces import insert, tidy
from .read_model import Heard, heard_event
from .templates import rendered
from .words import article, possessive, spoken

_OPERATION = "        migrations.CreateModel(\n"
# What a context needs to listen: each is a table named after it, such as BillingPosition.
_ROWS = ("Inbox", "Position", "Consumer")


@dataclass(frozen=True, kw_only=True)
class NewConsumer:
    """A context that shall listen to an event. `wish`: the use case that the event leads to."""

    context: str
    heard: Heard
    wish: str

    @property
    def queue(self) -> str:
        """The consumer's name and its queue's: one for each neighbour, which carries all of its streams."""
        return f"{self.context}.{self.heard.event.context}"

    @property
    def fact(self) -> str:
        """The event's name without context and version."""
        return self.heard.fact


def wanted(draft: Draft, layout: Layout, context: str, event: str, wish: str | None) -> NewConsumer:
    """Return the consumer; the handler that is there already says what the wish is. Raise NoSuchPart, BadName."""
    folder = layout.folder_of(context)
    heard = heard_event(draft, layout, event)
    if heard.event.context == context:
        raise BadName(
            f"{heard.event.wire} is {possessive(context)} own: what a context does because of it, its use case does.",
            where=event,
            fix="call it where the event is recorded, in one transaction with it",
        )
    there = source.handler(draft, folder, heard.event.cls)
    consumer = NewConsumer(context=context, heard=heard, wish=there or wish or f"note_{heard.fact}")
    if not there and consumer.wish in source.functions(draft, f"{folder}/consumers.py"):
        raise BadName(
            f"{consumer.wish} handles another event already.", where=f"{folder}/consumers.py", fix="give --wish"
        )
    return consumer


def start(draft: Draft, layout: Layout, consumer: NewConsumer) -> None:
    """Plan handler, use case, inbox and tests; only the declaration if a handler is there. Raise AnchorMissing."""
    folder = layout.folder_of(consumer.context)
    if source.handler(draft, folder, consumer.heard.event.cls) is None:
        _write(draft, layout, consumer)
    _say(draft, folder, consumer)


def _write(draft: Draft, layout: Layout, consumer: NewConsumer) -> None:
    folder, package = layout.folder_of(consumer.context), layout.package_of(consumer.context)
    words, sorting = _words(consumer, package), Sorting(layout.own_packages())
    missing = [row for row in _ROWS if not source.classes(draft, f"{folder}/models.py", f"{row}Row")]
    for room in (*(["models"] if missing else []), "usecases", "consumers"):
        insert(draft, f"{folder}/{room}.py", rendered(f"consumer/{room}.py", words), sorting)
    if missing:
        last, name = source.next_migration(draft, folder, "inbox" if "Inbox" in missing else "consumers")
        draft.create(f"{folder}/migrations/{name}.py", _inbox_migration(consumer.context, package, last, missing))
    tests = tidy(rendered("consumer/test_consumer.py", words), sorting)
    draft.create(f"{folder}/tests/test_{consumer.heard.event.context}_{consumer.fact}.py", tests)


def _inbox_migration(context: str, package: str, last: str, rows: list[str]) -> str:
    """Return the migration of these rows, as every new context's first one makes them."""
    words = {"name": context, "Name": context.capitalize(), "package": package, "idempotency_age": ""}
    _, *operations = rendered("context/migrations/0001_initial.py", words).removesuffix("    ]\n").split(_OPERATION)
    names = tuple(f"            name='{context.capitalize()}{row}',\n" for row in rows)
    made = "".join(f"{_OPERATION}{one}" for one in operations if one.startswith(names))
    return rendered("consumer/migration.py", {"context": context, "last": last, "operations": made})


def _words(consumer: NewConsumer, package: str) -> dict[str, str]:
    heard, event = consumer.heard, consumer.heard.event
    examples = {fact.name: fact.example() for fact in heard.facts}
    number = "UUID(int=number)" if heard.key.kind == "UUID" else 'f"granite-{number}"'
    given = [f"{heard.key.name}={number}", *(f"{name}={value}" for name, value in examples.items() if value)]
    imports = {line for fact in (heard.key, *heard.facts) for line in fact.example_imports}
    said, key = says(consumer.fact), heard.key.name
    spanned = [f'"usecase {consumer.context}.{consumer.wish}"', f"{key}={key}"]
    return {
        "context": consumer.context, "Context": consumer.context.capitalize(), "contexts": possessive(consumer.context),
        "package": package, "source_package": event.package, "queue": consumer.queue,
        "fact": consumer.fact, "wire": event.wire, "Event": event.cls, "wish": consumer.wish,
        "said": f"{said[:1].lower()}{said[1:]}", "key": key, "key_type": heard.key.kind,
        "spoken": spoken(event.aggregate), "an": article(consumer.fact),
        "key_imports": import_lines(heard.key.imports),
        "example_imports": import_lines(imports),
        "signature": fitted(f"def {consumer.wish}(", [f"event: {event.cls}", "message: Envelope"], ") -> None:"),
        "opened": opened([f"span({', '.join(spanned)})", f'unit_of_work("{consumer.context}")']),
        "example": fitted(f"return {event.cls}(", given, ")", indent=4),
    }  # fmt: skip


def _say(draft: Draft, folder: str, consumer: NewConsumer) -> None:
    declaration, readme, wire = f"{folder}/context.py", f"{folder}/README.md", consumer.heard.event.wire
    if draft.exists(readme):
        heard = f"`{wire}` → `{consumer.wish}`, on the queue `{consumer.queue}`."
        draft.edit(readme, lambda text: with_sentence(text, readme, "Listens to", f"`{wire}`", sentence=heard))
    if wire not in declared(draft.read(declaration), declaration, "consumes"):
        draft.edit(declaration, lambda text: with_declared(text, declaration, "consumes", wire))
