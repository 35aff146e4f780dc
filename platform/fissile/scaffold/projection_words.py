"""The words that the templates of a projection leave open. May touch: nothing."""

from __future__ import annotations

from .code import fitted, import_lines
from .facts import plural
from .read_model import Heard, NewProjection
from .words import article, possessive, spoken

_KEY_EXAMPLE = {"UUID": 'UUID("0198aa00-0000-7000-8000-000000000001")', "str": '"granite-1"'}


class Words:
    """Words of one projection. `shared`: our handler → the function that handles its event already."""

    def __init__(self, projection: NewProjection, package: str, *, inbox: str, shared: dict[str, str]) -> None:
        self.projection, self.package, self.inbox, self.shared = projection, package, inbox, shared
        self.facts, self.key = projection.facts(), projection.key

    def all(self) -> dict[str, str]:
        """Return them by name."""
        one, source, aggregate = self.projection, self.projection.source, self.projection.source.aggregate
        imports = {line for fact, _ in [*self.facts, (self.key, False)] for line in fact.imports}
        return {
            "context": one.context, "package": self.package, "projection": one.name, "Model": one.model,
            "source": source.context, "Sources": possessive(source.context).capitalize(),
            "source_package": source.package,
            "aggregate": aggregate, "spoken": spoken(aggregate), "an": article(aggregate),
            "spoken_projection": spoken(one.name), "inbox": self.inbox, "KEY": self.key.name.upper(),
            "key": self.key.name, "key_type": self.key.kind, "key_example": _KEY_EXAMPLE[self.key.kind],
            "sources": possessive(source.context),
            "unknown": " None is: not heard yet." if any(is_null for _, is_null in self.facts) else "",
            "type_imports": import_lines(imports),
            "classes": ", ".join(sorted(heard.event.cls for heard in one.heard)),
            **self._table(), **self._handlers(), **self._tests(),
        }  # fmt: skip

    def _table(self) -> dict[str, str]:
        key = "UUIDField(primary_key=True)" if self.key.kind == "UUID" else _TEXT_KEY
        columns = [(self.key.name, key), *((fact.name, fact.column(is_null=null)) for fact, null in self.facts)]
        columns.append(("version", "PositiveIntegerField()"))
        names = [name for name, _ in columns]
        spoken_name = spoken(self.projection.name)
        plurals = "" if plural(spoken_name) == f"{spoken_name}s" else plural(spoken_name)
        shown = [f'"{name}"' for name in names]
        types = {fact.name: f"{fact.kind} | None" if null else fact.kind for fact, null in self.facts}
        types |= {self.key.name: self.key.kind, "version": "int"}
        facts = f"{self.projection.model}Facts("
        return {
            "columns": "".join(f"    {name} = models.{column}\n" for name, column in columns),
            "migration_columns": "".join(
                f"                ('{name}', models.{_as_django_writes(column)}),\n" for name, column in columns
            ),
            "plural": f'        verbose_name_plural = "{plurals}"\n' if plurals else "",
            "migration_plural": f"                'verbose_name_plural': '{plurals}',\n" if plurals else "",
            "attributes": "".join(f"    {name}: {types[name]}\n" for name in names),
            "value": fitted(f"return {facts}", [f"{name}=row.{name}" for name in names], ")", indent=4),
            "list_display": fitted("list_display = (", shown, ")", indent=4, is_literal=True),
        }

    def _handlers(self) -> dict[str, str]:
        writers, handlers = [], []
        for heard in self.projection.heard:
            writers.append(self._writer(heard))
            name = self.projection.handler_of(heard)
            decorator = f'@consumes({heard.event.cls}, into="{self.projection.context}")\n'
            carried = [f"{fact.name}=event.{fact.name}" for fact in heard.columns]
            arguments = [f"event.{self.key.name}", *carried, "version=message.aggregateversion"]
            handlers.append(
                ("" if name in self.shared else decorator)
                + fitted(f"def {name}(", [f"event: {heard.event.cls}", "message: Envelope"], ") -> None:")
                + f'\n    """Keep what `{heard.fact}` told."""\n'
                + fitted(f"projections.{self._writer_name(heard)}(", arguments, ")", indent=4)
            )
        is_shared = len(self.shared) == len(self.projection.heard)
        return {
            "writers": "\n\n\n".join(writers) + "\n",
            "handlers": "\n\n\n".join(handlers),
            "consumes_import": "" if is_shared else "from fissile.events.consumers import consumes",
        }

    def _writer(self, heard: Heard) -> str:
        key, name = self.key.name, self.projection.name
        wanted = [f"{fact.name}: {fact.annotation}" for fact in heard.columns]
        facts = [f'"{fact.name}": {fact.name}' for fact in heard.columns]
        start = f"def {self._writer_name(heard)}("
        return (
            fitted(start, [f"{key}: {self.key.kind}", "*", *wanted, "version: int"], ") -> None:")
            + f'\n    """Keep what `{heard.fact}` told; what is newer stays."""\n'
            + fitted("facts: dict[str, Any] = {", facts, "}", indent=4, is_literal=True)
            + f"\n    _advance_{name}({key}, version, facts)"
        )

    def _writer_name(self, heard: Heard) -> str:
        return f"add_{heard.fact}_to_{self.projection.name}"

    def _tests(self) -> dict[str, str]:
        told = list(self.projection.heard) * (2 if len(self.projection.heard) == 1 else 1)
        known: dict[str, str] = {fact.name: "None" for fact, _ in self.facts}
        examples = []
        for number, heard in enumerate(told):
            values = {fact.name: fact.example(number) for fact in heard.facts}
            given = {name: value for name, value in values.items() if value is not None}
            known |= {fact.name: given[fact.name] for fact in heard.columns}
            arguments = [f"{self.key.name}={self.key.name.upper()}", *(f"{n}={v}" for n, v in given.items())]
            examples.append(fitted(f"{heard.event.cls}(", arguments, "),", indent=4))
        pairs = [(self.key.name, self.key.name.upper()), *known.items(), ("version", str(len(told)))]
        imports = {line for heard in told for fact in heard.facts for line in fact.example_imports}
        imports |= self.key.imports
        return {
            "count": str(len(told)),
            "examples": "".join(f"{example}\n" for example in examples),
            "known": fitted(f"KNOWN = {self.projection.model}Facts(", [f"{n}={v}" for n, v in pairs], ")"),
            "example_imports": import_lines(imports),
            **self._registered(),
        }

    def _registered(self) -> dict[str, str]:
        handlers = {heard.event.cls: self.projection.handler_of(heard) for heard in self.projection.heard}
        rows = [f"{cls}.name: ({cls}, consumers.{name})" for cls, name in handlers.items()]
        own = [cls for cls, name in handlers.items() if name not in self.shared]
        checks = [f"    assert known[{cls}.name] == HANDLERS[{cls}.name]" for cls in own]
        where = f"{self.projection.context}.{self.projection.source.context}"
        registered = [f'    known = consumer("{where}").handlers', "", *checks] if own else []
        calls = [
            f'    assert "{name}" in consumers.{self.shared[name]}.__code__.co_names'
            for name in handlers.values()
            if name in self.shared
        ]
        body = "\n".join([*registered, *([""] if own and calls else []), *calls])
        return {
            "handlers_table": "\n".join(["HANDLERS = {", *(f"    {row}," for row in rows), "}"]),
            "registered": f"def test_the_worker_hands_these_events_over():\n{body}",
            "registered_import": ", consumer" if own else "",
        }


_TEXT_KEY = "CharField(primary_key=True, max_length=255)"


def _as_django_writes(column: str) -> str:
    """Return a primary key as a migration writes it: with serialize=False, and its options in Django's order."""
    if column == _TEXT_KEY:
        return "CharField(max_length=255, primary_key=True, serialize=False)"
    return column.replace("primary_key=True", "primary_key=True, serialize=False")
