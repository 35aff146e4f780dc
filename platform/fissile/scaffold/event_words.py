"""A new event: its names in the code and on the wire, its JSON Schema, its templates' words. May touch: nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, make_dataclass
from typing import Any
from uuid import UUID

from fissile.messages import to_wire
from fissile.messages.schemas import payload_schema

from .code import fitted, import_lines, opened
from .errors import BadName
from .fields import Field
from .names import camel
from .words import article, spoken, verb_of

_EXAMPLE_ID = UUID("0198aa00-0000-7000-8000-000000000001")


@dataclass(frozen=True, kw_only=True)
class NewEvent:
    """An event that shall be. `wish`: the use case that records it, in the user's words."""

    context: str
    fact: str
    aggregate: str
    wish: str
    fields: tuple[Field, ...]

    @property
    def wire(self) -> str:
        """Its name on the wire."""
        return f"{self.context}.{self.fact}.v1"

    @property
    def cls(self) -> str:
        """Its class."""
        return f"{camel(self.fact)}V1"

    @property
    def model(self) -> str:
        """The class of its aggregate's row."""
        return camel(self.aggregate)


def aggregate_of(fact: str) -> str:
    """Return `invoice` for `invoice_issued`; raise BadName for a fact of one word."""
    aggregate, _, _ = fact.rpartition("_")
    if not aggregate:
        raise BadName(
            f"{fact} does not say about what: a fact is a thing and a past participle.",
            fix=f"such as invoice_{fact}, or give --aggregate",
        )
    return aggregate


def wish_of(fact: str, aggregate: str) -> str:
    """Return `issue_invoice` for `invoice_issued`."""
    return f"{verb_of(fact.rpartition('_')[2])}_{aggregate}"


def says(fact: str) -> str:
    """Return a fact as a sentence without its full stop: `An invoice was issued`."""
    subject, _, participle = fact.rpartition("_")
    return f"{article(subject).capitalize()} {spoken(subject)} was {participle}" if subject else fact.capitalize()


def schema_of(event: NewEvent) -> str:
    """Return the JSON Schema of the event's payload with one example, as text."""
    names = [(f"{event.aggregate}_id", UUID), *((field.name, field.type) for field in event.fields)]
    shape: type[Any] = make_dataclass(event.cls, names, frozen=True, kw_only=True)
    shape.__doc__ = f"{says(event.fact)}."
    values = {f"{event.aggregate}_id": _EXAMPLE_ID, **{field.name: field.example for field in event.fields}}
    document = {**payload_schema(shape), "examples": [to_wire(shape(**values))]}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


class Words:
    """Words of one event. `columns`: those of its aggregate's row, if there is one already."""

    def __init__(self, event: NewEvent, *, package: str, columns: Mapping[str, str], is_first: bool) -> None:
        self.event, self.package, self.is_first = event, package, is_first
        # What the row knows comes from the row; the rest is an argument of the wish.
        self.given = [one for one in event.fields if columns.get(one.name) != f"models.{one.column}"]

    def all(self) -> dict[str, str]:
        """Return them by name."""
        event, fields = self.event, self.event.fields
        columns = "\n".join(f"    {one.name} = models.{one.column}" for one in fields)
        return {
            "context": event.context, "Context": event.context.capitalize(), "package": self.package,
            "fact": event.fact, "wire": event.wire, "Event": event.cls, "CONSTANT": event.fact.upper(),
            "aggregate": event.aggregate, "Aggregate": event.model, "spoken": spoken(event.aggregate),
            "an": article(event.aggregate), "An": article(event.aggregate).capitalize(),
            "Says": says(event.fact), "wish": event.wish,
            "type_imports": import_lines({line for field in fields for line in field.imports}),
            "example_imports": import_lines({line for field in fields for line in field.example_imports}),
            "attributes": "".join(f"    {field.name}: {field.written_type}\n" for field in fields),
            "columns": f"\n\n{columns}" if columns else "",
            "migration_columns": "".join(f"{' ' * 16}('{one.name}', models.{one.column}),\n" for one in fields),
            **self._wish(), **self._reads(), **self._tests(),
        }  # fmt: skip

    def _wish(self) -> dict[str, str]:
        event, key, fields = self.event, f"{self.event.aggregate}_id", self.event.fields
        wanted = [f"{field.name}: {field.written_type}" for field in self.given]
        arguments = [] if self.is_first else [f"{key}: UUID"]
        arguments += ["*", *wanted] if wanted else []
        spanned = [f'"usecase {event.context}.{event.wish}"', *([] if self.is_first else [f"{key}={key}"])]
        answer = f"domain.{event.model}" if self.is_first else "None"
        told = [f"{one.name}={one.name}" if one in self.given else f"{one.name}=row.{one.name}" for one in fields]
        row = ["id=uuid7()", *(f"{field.name}={field.name}" for field in fields)]
        return {
            "signature": fitted(f"def {event.wish}(", arguments, f") -> {answer}:"),
            "opened": opened([f"span({', '.join(spanned)})", f'unit_of_work("{event.context}") as work']),
            "row": fitted(f"row = {event.model}(", row, ")", indent=8),
            "event_of_row": fitted(f"event = {event.cls}(", [f"{key}=row.id", *told], ")", indent=8),
        }

    def _reads(self) -> dict[str, str]:
        names = [field.name for field in self.event.fields]
        values = ["id=row.id", *(f"{name}=row.{name}" for name in names), "version=row.version"]
        listed = [f'"{name}"' for name in ("id", *names, "version")]
        return {
            "value": fitted(f"return domain.{self.event.model}(", values, ")", indent=4),
            "list_display": fitted("list_display = (", listed, ")", indent=4, is_literal=True),
        }

    def _tests(self) -> dict[str, str]:
        event, aggregate = self.event, self.event.aggregate
        examples = [f"{field.name}={field.written_example}" for field in self.given]
        carried = [f"{field.name}={field.written_example}" for field in event.fields]
        example_id = f'{aggregate}_id=UUID("{_EXAMPLE_ID}")'
        return {
            "made": fitted(f"return usecases.{event.wish}(", examples, ")", indent=4),
            "unknown": fitted(f"usecases.{event.wish}(", ["uuid4()", *examples], ")", indent=8),
            "known": fitted(f"usecases.{event.wish}(", [f"{aggregate}.id", *examples], ")", indent=4),
            "example": fitted(f"{event.fact.upper()} = {event.cls}(", [example_id, *carried], ")"),
            "told": "".join(f"    assert told.{field.name} == {aggregate}.{field.name}\n" for field in event.fields),
        }
