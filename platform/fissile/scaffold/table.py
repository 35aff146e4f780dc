"""Registers a context: one line in the table of contexts, one in each list of the import rules; and takes them out.

Only inserts and deletes whole lines of text. May touch: the two files' text, as it is handed in.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .errors import AnchorMissing, BadName


@dataclass(frozen=True)
class Table:
    """The table of contexts as its source says: packages and ports by name, and ports that are spoken for."""

    packages: dict[str, str]
    ports: dict[str, int]
    # The gateway's, the monolith's: every other `…_PORT = 1234` of the file.
    reserved: dict[str, int]

    def next_port(self) -> int:
        """Return the lowest free port above the first one in use."""
        taken = {*self.ports.values(), *self.reserved.values()}
        first = min(taken, default=3000)
        return next(port for port in range(first + 1, first + len(taken) + 2) if port not in taken)

    def ensure_free(self, port: int, name: str) -> None:
        """Raise BadName for a port that another context or process has."""
        for other, taken in {**self.reserved, **self.ports}.items():
            if taken == port and other != name:
                raise BadName(
                    f"Port {port} is {other}'s; in the split topology each web process listens on its own.",
                    fix=f"leave --port out, or take {self.next_port()}",
                )


def read_table(text: str, where: str) -> Table:
    """Return what the table says; raise AnchorMissing if there is no `CONTEXTS = {…}`."""
    tree = ast.parse(text)
    rows = {name: _literal(value) for name, value in _rows(_table(tree, where))}
    rows = {name: row for name, row in rows.items() if isinstance(row, dict)}
    packages = {name: str(row.get("package", "")) for name, row in rows.items()}
    ports = {name: row["port"] for name, row in rows.items() if isinstance(row.get("port"), int)}
    found = {name: _literal(value) for name, value in _assigned(tree)}
    return Table(packages, ports, {name: port for name, port in found.items() if isinstance(port, int)})


def with_context(text: str, where: str, *, name: str, package: str, port: int) -> str:
    """Return the table with a line for the context at its end; unchanged if it is there."""
    row = f'    "{name}": {{"package": "{package}", "port": {port}}},\n'
    table = _table(ast.parse(text), where)
    if name in dict(_rows(table)):
        return text
    lines = text.splitlines(keepends=True)
    closing = (table.end_lineno or 0) - 1
    if lines[closing].strip() != "}" or not table.values:
        raise AnchorMissing("The table of contexts is not one line per context.", where=where, lines=[row.strip()])
    last = (table.values[-1].end_lineno or 0) - 1
    if not lines[last].rstrip().endswith(","):
        raise AnchorMissing("The table's last line has no comma at its end.", where=where, lines=[row.strip()])
    return "".join([*lines[: last + 1], row, *lines[last + 1 :]])


def without_context(text: str, where: str, *, name: str) -> str:
    """Return the table without the context's line; raise AnchorMissing if it is not one line."""
    lines = text.splitlines(keepends=True)
    row = dict(_rows(_table(ast.parse(text), where))).get(name)
    if row is None:
        return text
    if row.lineno != row.end_lineno or not lines[row.lineno - 1].lstrip().startswith(f'"{name}":'):
        raise AnchorMissing(f"{name} is not one line of the table.", where=where, lines=[f"(take {name} out)"])
    return "".join([*lines[: row.lineno - 1], *lines[row.lineno :]])


def _assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def _rows(table: ast.Dict) -> Iterator[tuple[str, ast.expr]]:
    for key, value in zip(table.keys, table.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key.value, value


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _table(tree: ast.Module, where: str) -> ast.Dict:
    table = dict(_assigned(tree)).get("CONTEXTS")
    if isinstance(table, ast.Dict):
        return table
    raise AnchorMissing(
        "This project has no table of contexts.",
        where=where,
        lines=[
            'CONTEXTS = {"<name>": {"package": "apps.<name>", "port": 3001}}',
            'or name the file that has it: FISSILE["scaffold"] = {"contexts": "settings/contexts.py"}',
        ],
    )


# The lists that name every context: the rooms inside each, and who is a stranger to whom.
_LISTS = {"layers": "containers", "independence": "modules"}
_SECTION = re.compile(r"\[importlinter:contract:")
_OPTION = re.compile(r"(\w+)\s*=\s*(.*)")


def with_import_rules(text: str, *, package: str, siblings: list[str]) -> str:
    """Return .importlinter with the package after the last sibling of each list that names siblings."""
    lines = text.splitlines(keepends=True)
    known = _places(lines, {package})
    for kind, at in sorted(_places(lines, set(siblings)).items(), key=lambda place: -place[1]):
        if kind not in known:
            lines.insert(at + 1, f"    {package}\n")
    return "".join(lines)


def without_import_rules(text: str, *, package: str) -> str:
    """Return .importlinter without the package's lines in those lists."""
    lines = text.splitlines(keepends=True)
    for at in sorted(_places(lines, {package}).values(), reverse=True):
        del lines[at]
    return "".join(lines)


def _places(lines: list[str], packages: set[str]) -> dict[int, int]:
    """Return the last line that is one of the packages, by the line where its section begins."""
    found: dict[int, int] = {}
    section, kind, option = -1, "", ""
    for number, line in enumerate(lines):
        if _SECTION.match(line):
            section, kind, option = number, "", ""
        elif (given := _OPTION.match(line)) is not None:
            option = given[1]
            kind = given[2].strip() if option == "type" else kind
        elif line.strip() in packages and _LISTS.get(kind) == option:
            found[section] = number
    return found
