"""The fields of an event, as the command line says them: `amount:money`, `order:ref:orders`, `due_on:date`.

Each knows how it is written as an attribute, a column, a value of the examples and a schema. May touch: nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from .errors import BadName
from .names import ensure_snake

# `name` is the event's own, on the class; the others are the row's or the envelope's.
_TAKEN = {"name", "key", "id", "version", "aggregate", "aggregate_type", "context", "pk", "objects",
          "row", "event", "work"}  # fmt: skip
_EXAMPLE_ID = UUID("0198aa00-0000-7000-8000-000000000002")
_EXAMPLE_TIME = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Field:
    """One attribute of the event and column of the aggregate."""

    name: str
    type: type[Any]
    column: str
    example: Any
    # The module that the type is imported from, or none.
    module: str = ""

    @property
    def written_type(self) -> str:
        """The type as it stands in code."""
        return self.type.__name__

    @property
    def written_example(self) -> str:
        """An example as it stands in code."""
        if isinstance(self.example, UUID | Decimal):
            return f'{self.written_type}("{self.example}")'
        if isinstance(self.example, datetime):
            return "datetime(2026, 5, 4, 12, 30, tzinfo=UTC)"
        if isinstance(self.example, date):
            return "date(2026, 5, 4)"
        return f'"{self.example}"' if isinstance(self.example, str) else str(self.example)

    @property
    def imports(self) -> tuple[str, ...]:
        """The imports that the type needs."""
        return (f"from {self.module} import {self.written_type}",) if self.module else ()

    @property
    def example_imports(self) -> tuple[str, ...]:
        """The imports that the example needs."""
        return (*self.imports, "from datetime import UTC") if isinstance(self.example, datetime) else self.imports


def _minor(name: str) -> tuple[Field, ...]:
    amount = Field(name=f"{name}_minor", type=int, column="BigIntegerField()", example=2_500)
    return (amount, Field(name="currency", type=str, column="CharField(max_length=3)", example="EUR"))


def _reference(name: str) -> tuple[Field, ...]:
    return (Field(name=f"{name}_id", type=UUID, module="uuid", column="UUIDField()", example=_EXAMPLE_ID),)


def _time(name: str) -> tuple[Field, ...]:
    return (Field(name=name, type=datetime, module="datetime", column="DateTimeField()", example=_EXAMPLE_TIME),)


def _date(name: str) -> tuple[Field, ...]:
    return (Field(name=name, type=date, module="datetime", column="DateField()", example=_EXAMPLE_TIME.date()),)


def _decimal(name: str) -> tuple[Field, ...]:
    # SQLite keeps a decimal as a float, which is exact up to 15 digits.
    column = "DecimalField(max_digits=15, decimal_places=4)"
    return (Field(name=name, type=Decimal, module="decimal", column=column, example=Decimal("12.5000")),)


def _plain(name: str, kind: str) -> tuple[Field, ...]:
    known: dict[str, tuple[type[Any], str, Any]] = {
        "text": (str, "CharField(max_length=200)", "granite"),
        "int": (int, "BigIntegerField()", 2),
        "bool": (bool, "BooleanField()", True),
    }
    shape, column, example = known[kind]
    return (Field(name=name, type=shape, column=column, example=example),)


_KINDS = {"money": _minor, "decimal": _decimal, "uuid": None, "time": _time, "date": _date,
          "text": None, "int": None, "bool": None}  # fmt: skip
KINDS = (*_KINDS, "ref:<context>")


def parsed(words: Iterable[str], *, aggregate: str, contexts: Collection[str]) -> tuple[Field, ...]:
    """Return the fields of `<name>:<kind>` words, a shared currency once. Raise BadName."""
    found: dict[str, Field] = {}
    for word in words:
        for field in _one(word, contexts):
            if field.name in _TAKEN or field.name == f"{aggregate}_id":
                raise BadName(
                    f"The field {field.name} is the event's or the row's own.",
                    where=f"--field {word}",
                    fix=f"such as --field {aggregate}_{field.name}:{word.partition(':')[2]}",
                )
            if field.name in found and field.name != "currency":
                raise BadName(f"The field {field.name} is there twice.", where=f"--field {word}", fix="name each once")
            found[field.name] = field
    return tuple(found.values())


def _one(word: str, contexts: Collection[str]) -> tuple[Field, ...]:
    name, _, kind = word.partition(":")
    ensure_snake(name, "a field", "amount:money")
    if kind.startswith("ref:"):
        if (to := kind.removeprefix("ref:")) not in contexts:
            raise BadName(f"There is no context {to}.", where=f"--field {word}", fix=f"one of {', '.join(contexts)}")
        return _reference(name)
    if kind == "uuid":
        (field,) = _reference(name)
        return (Field(name=name, type=UUID, module="uuid", column=field.column, example=field.example),)
    if kind not in _KINDS:
        because = " A float is no exact number." if kind == "float" else ""
        raise BadName(
            f"{kind} is no kind of field.{because}" if kind else f"{name} says no kind of field.",
            where=f"--field {word}",
            fix=f"one of {', '.join(KINDS)}",
        )
    made = _KINDS[kind]
    return made(name) if made else _plain(name, kind)
