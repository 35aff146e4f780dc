"""The fields of a neighbour's event or answer, by their annotations: as a column, an example, an import.

May touch: a draft, read only.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

_COLUMNS = {
    "UUID": "UUIDField({})", "str": "TextField({})", "int": "BigIntegerField({})", "bool": "BooleanField({})",
    "datetime": "DateTimeField({})", "date": "DateField({})",
    # As startevent keeps it: SQLite's float is exact up to 15 digits.
    "Decimal": "DecimalField(max_digits=15, decimal_places=4{})",
}  # fmt: skip
_MODULES = {"UUID": "uuid", "datetime": "datetime", "date": "datetime", "Decimal": "decimal"}
_TEXTS = ("granite", "basalt", "slate")


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One field as its class writes it. `is_optional`: it may be None; `has_default`: it may be left out."""

    name: str
    annotation: str
    has_default: bool = False

    @property
    def kind(self) -> str:
        """The type without `| None`."""
        return self.annotation.removesuffix("| None").strip()

    @property
    def is_optional(self) -> bool:
        """True if it may be None."""
        return self.annotation.endswith("| None")

    @property
    def is_plain(self) -> bool:
        """True if one column holds it."""
        return self.kind in _COLUMNS

    @property
    def imports(self) -> set[str]:
        """The imports that the type needs."""
        return {f"from {_MODULES[self.kind]} import {self.kind}"} if self.kind in _MODULES else set()

    def column(self, *, is_null: bool) -> str:
        """Return the column, such as `TextField(null=True)`."""
        option = "null=True" if is_null else ""
        return _COLUMNS[self.kind].format(f", {option}" if option and self.kind == "Decimal" else option)

    def example(self, number: int = 0) -> str | None:
        """Return an example as it stands in code, another one for each number; None if there is no plain one."""
        made = {
            "UUID": f'UUID("0198aa00-0000-7000-8000-{number + 2:012}")',
            "str": f'"{_TEXTS[number % len(_TEXTS)]}"',
            "int": f"{2_500 + number:_}",
            "bool": str(number % 2 == 0),
            "datetime": f"datetime(2026, 5, 4, 12, {30 + number % 30}, tzinfo=UTC)",
            "date": f"date(2026, 5, {4 + number % 20})",
            "Decimal": f'Decimal("{number + 1}")',
        }
        if self.kind in made:
            return made[self.kind]
        empty = {"tuple": "()", "list": "[]", "dict": "{}", "frozenset": "frozenset()", "set": "set()"}
        return "None" if self.is_optional else empty.get(self.kind.partition("[")[0])

    @property
    def example_imports(self) -> set[str]:
        """The imports that an example needs."""
        more = {"from datetime import UTC"} if self.kind == "datetime" else set()
        return self.imports | more


def facts_of(body: list[ast.stmt]) -> list[Fact]:
    """Return the fields of a dataclass's body in their order; constants of the class are none."""
    return [
        Fact(name=node.target.id, annotation=ast.unparse(node.annotation), has_default=node.value is not None)
        for node in body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and not ast.unparse(node.annotation).startswith("ClassVar")
    ]


def plural(spoken: str) -> str:
    """Return `summaries` for `summary`, `boxes` for `box`."""
    if spoken.endswith("y") and spoken[-2:-1] not in "aeiou":
        return f"{spoken[:-1]}ies"
    return f"{spoken}es" if spoken.endswith(("s", "x", "z", "ch", "sh")) else f"{spoken}s"
