"""Draws docs/map.md from what the house declares: `python -m tests.architecture.house_map --write`.

Reads context.py, the table of contexts, .importlinter, the gateway's routes and, as text, ports, wiring,
consumers and models. Starts no Django; the same tree gives the same bytes.
"""

from __future__ import annotations

import argparse
import ast
import configparser
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from fissile.contexts import Context, directed_exchange, receiver_name
from gateway_app.routes import ROUTES
from settings.contexts import CONTEXTS, GATEWAY_PORT, MONOLITH_PORT

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "map.md"
COMMAND = "python -m tests.architecture.house_map --write"
LIBRARY = "platform/fissile"


@dataclass(frozen=True)
class Handler:
    """A function behind a decorator of consumers.py, and the wire name of the event or command that it is for."""

    function: str
    event: str


@dataclass(frozen=True)
class Wire:
    """A line of a wiring.py: the function, the port it fills, the adapter it picks."""

    function: str
    port: str
    adapter: str


def contexts() -> list[Context]:
    """Return every context's declaration, in the order of the table."""
    return [import_module(f"{row['package']}.context").CONTEXT for row in CONTEXTS.values()]


def folder_of(context: Context) -> Path:
    """Return the folder that a context is."""
    return ROOT / context.package.replace(".", "/")


def handlers_of(context: Context, decorator_name: str = "consumes") -> list[Handler]:
    """Return the functions that hear a context's events, or take its commands or replies, by wire name."""
    found = []
    for function in _functions(folder_of(context) / "consumers.py"):
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == decorator_name:
                found.append(Handler(function.name, _wire_name(ast.unparse(decorator.args[0]))))
    return sorted(found, key=lambda handler: handler.event)


def _wire_name(message_class: str) -> str:
    for context in contexts():
        for module in (*(["events"] if context.publishes else []), *(["commands"] if context.takes else [])):
            messages = import_module(f"{context.package}.contracts.{module}")
            if hasattr(messages, message_class):
                return str(getattr(messages, message_class).name)
    raise LookupError(f"no context's contracts have a class {message_class}")


def wires_of(context: Context) -> list[Wire]:
    """Return which adapter fills which port."""
    found = []
    for function in _functions(folder_of(context) / "wiring.py"):
        returned = next(node.value for node in ast.walk(function) if isinstance(node, ast.Return))
        if isinstance(returned, ast.Call) and function.returns is not None:
            found.append(Wire(function.name, ast.unparse(function.returns), ast.unparse(returned.func)))
    return sorted(found, key=lambda wire: wire.port)


def ports_of(context: Context) -> list[str]:
    """Return the names of a context's ports."""
    classes = [node for node in _tree(folder_of(context) / "ports.py").body if isinstance(node, ast.ClassDef)]
    return sorted(one.name for one in classes if any(ast.unparse(base) == "Protocol" for base in one.bases))


def tables_of(context: Context) -> list[str]:
    """Return the names of a context's tables."""
    return sorted(re.findall(r'db_table = "(\w+)"', (folder_of(context) / "models.py").read_text(encoding="utf-8")))


def rules() -> dict[str, configparser.SectionProxy]:
    """Return the import contracts by id."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter", encoding="utf-8")
    start = "importlinter:contract:"
    return {name.removeprefix(start): parser[name] for name in parser.sections() if name.startswith(start)}


def _lines(section: configparser.SectionProxy, key: str) -> list[str]:
    return [line.strip() for line in section.get(key, "").splitlines() if line.strip() and line[0] != "#"]


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8") if path.exists() else "")


def _functions(path: Path) -> list[ast.FunctionDef]:
    return [node for node in _tree(path).body if isinstance(node, ast.FunctionDef)]


def _job(module: str) -> str:
    """Return the first line of a module's docstring, its job."""
    base = ROOT / LIBRARY / module
    path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    return (ast.get_docstring(_tree(path)) or "").split("\n")[0].rstrip(".")


# -- the page ---------------------------------------------------------------------------------------------


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a Markdown table."""
    return [_row(header), _row(["---"] * len(header)), *map(_row, rows), ""]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell or '–' for cell in cells)} |"


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def page() -> str:
    """Return the whole of docs/map.md."""
    parts = [
        "# Map of the house",
        "",
        f"Generated from the declarations in the code; do not edit. Write it again: `{COMMAND}`.",
        "`make test` fails while this page differs from the code.",
        "",
        *_picture(),
        *_contexts(),
        *_events(),
        *_directed(),
        *_calls(),
        *_stores(),
        *_door(),
        *_processes(),
        *_imports(),
        *_floors(),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _picture() -> list[str]:
    everyone = contexts()
    lines = ["```mermaid", "flowchart LR", '  browser(["browser"]) --> gateway["gateway"]']
    lines += [f'  gateway --> {one.name}["{one.name}"]' for one in everyone]
    lines += [
        f'  {one.name} -->|"asks {", ".join(_functions_asked(one, name))}"| {name}'
        for one in everyone
        for name in one.neighbours
    ]
    lines += [
        f'  {source} -.->|"{"<br/>".join(_heard_from(one, source))}"| {one.name}'
        for one in everyone
        for source in one.sources
    ]
    lines += [
        f'  {one.name} ==>|"{"<br/>".join(_sent_to(one, receiver))}"| {receiver}'
        for one in everyone
        for receiver in sorted({name.split(".", 1)[0] for name in (*one.sends, *one.requests)})
    ]
    legend = (
        "A solid arrow is a call (HTTP from the gateway; near or far between contexts), a dotted one events, "
        "a thick one commands and requests, whose replies come back."
    )
    return [*lines, "```", "", legend, "The tables below say the same.", ""]


def _functions_asked(context: Context, neighbour: str) -> list[str]:
    return sorted(wish.split(".", 1)[1] for wish in context.asks if wish.startswith(f"{neighbour}."))


def _heard_from(context: Context, source: str) -> list[str]:
    return sorted(event for event in context.consumes if event.startswith(f"{source}."))


def _sent_to(context: Context, receiver: str) -> list[str]:
    return sorted(name for name in (*context.sends, *context.requests) if name.startswith(f"{receiver}."))


def _contexts() -> list[str]:
    rows = [
        [
            f"[{one.name}](../{one.package.replace('.', '/')}/README.md)",
            _code(sorted(one.publishes)),
            _code(sorted(one.consumes)),
            _code(f"{function} → {caller}" for function, callers in sorted(one.offers.items()) for caller in callers),
            _code(sorted(one.asks)),
            _code(f"{command} ← {sender}" for command, senders in sorted(one.takes.items()) for sender in senders),
            _code(sorted((*one.sends, *one.requests))),
        ]
        for one in contexts()
    ]
    head = ("context", "publishes", "listens to", "offers (to whom)", "asks", "takes (from whom)", "sends")
    return ["## Contexts", "", *table(head, rows)]


def _events() -> list[str]:
    rows = [
        [f"`{consumer}`", f"`{source}`", f"`{handler.event}`", f"`{one.package}.consumers.{handler.function}`"]
        for one in contexts()
        for consumer, source in zip(one.consumers, one.sources, strict=True)
        for handler in handlers_of(one)
        if handler.event.startswith(f"{source}.")
    ]
    return [
        "## Events: consumers and their queues",
        "",
        "A queue is named like its consumer and bound to its exchange's whole stream (`#`).",
        "An event without a handler is counted as applied and does nothing.",
        "",
        *table(("consumer = queue", "exchange", "event", "handler"), rows),
    ]


def _directed() -> list[str]:
    rows = []
    for one in contexts():
        takers = {handler.event: handler.function for handler in handlers_of(one, "takes")}
        for command, senders in sorted(one.takes.items()):
            rows += [_directed_row(one, sender, command, takers[command]) for sender in senders]
        for handler in handlers_of(one, "takes_reply"):
            answerer = handler.event.split(".", 1)[0]
            rows.append(_directed_row(one, answerer, f"reply to {handler.event}", handler.function))
    return [
        "## Commands and replies: receivers and their queues",
        "",
        "What is said to one context alone goes by an exchange that nobody else hears (decision 17).",
        "",
        *table(("receiver = queue", "exchange", "what comes", "handler"), rows),
    ]


def _directed_row(context: Context, sender: str, what: str, function: str) -> list[str]:
    handler = f"{context.package}.consumers.{function}"
    cells = (receiver_name(context.name, sender), directed_exchange(sender, context.name), what, handler)
    return [f"`{cell}`" for cell in cells]


def _calls() -> list[str]:
    rows = []
    for one in contexts():
        wires = {wire.port: wire for wire in wires_of(one)}
        for port in ports_of(one):
            adapter = wires[port].adapter
            rows.append([one.name, f"`{port}`", f"`{adapter}`", _code(_asked_through(one, adapter))])
    return ["## Calls: ports and their adapters", "", *table(("context", "port", "adapter", "asks"), rows)]


def _asked_through(context: Context, adapter: str) -> list[str]:
    found = []
    for path in sorted((folder_of(context) / "adapters").glob("*.py")):
        if f"class {adapter}" in (text := path.read_text(encoding="utf-8")):
            found += [wish for wish in sorted(context.asks) if f'"{wish.split(".", 1)[1]}"' in text]
    return found


def _stores() -> list[str]:
    rows = [[f"`{one.name}`", f"`{one.name}`", _code(tables_of(one))] for one in contexts()]
    rows.append(["`operations`, one per role", "`operations_<role>`", "Django's own: operators, sessions, their log"])
    head = ("alias = database", "PostgreSQL role (real tier)", "tables")
    return ["## Stores", "", "`default` is empty and refuses everything.", "", *table(head, rows)]


def _door() -> list[str]:
    rows = []
    for route in ROUTES:
        who = "anybody" if route.public else "token"
        rows.append([f"`{' '.join(route.methods)}`", f"`{route.template}`", route.upstream or "gateway", who])
    return ["## The public door", "", *table(("method", "address", "answered by", "who"), rows)]


def _processes() -> list[str]:
    rows = [["gateway", "both", str(GATEWAY_PORT), ""]]
    rows += [["web, worker", "monolith", str(MONOLITH_PORT), _code(CONTEXTS)]]
    rows += [[f"{name}-web, {name}-worker", "split", str(row["port"]), f"`{name}`"] for name, row in CONTEXTS.items()]
    return [
        "## Processes",
        "",
        "Ports are offsets from `BASE_PORT`, 3000 by default; a worker listens nowhere.",
        "",
        *table(("process", "topology", "port", "contexts"), rows),
    ]


def _imports() -> list[str]:
    found = rules()
    house = " → ".join(f"`{layer}`" for layer in _lines(found["house"], "layers"))
    floors = enumerate(_lines(found["rooms"], "layers"), 1)
    rooms = [[str(number), _code(_side_by_side(layer))] for number, layer in floors]
    excepted = [line.split(" -> ") for line in _lines(found["neighbours"], "ignore_imports") if "tests" not in line]
    allowed: dict[str, list[str]] = {}
    for importer, imported in excepted:
        allowed.setdefault(importer, []).append(imported)
    return [
        "## Who may import whom",
        "",
        f"Downward only: {house}.",
        "",
        "Inside a context, from the top room to the lowest; rooms on one line do not know each other:",
        "",
        *table(("floor", "rooms"), rooms),
        "Contexts are strangers. The only exceptions:",
        "",
        *table(("who", "may read"), [[f"`{who}`", _code(what)] for who, what in sorted(allowed.items())]),
        "All rules, checked by `make check` (`.importlinter`):",
        "",
        *table(("contract", "says"), [[f"`{name}`", rule["name"].split(": ", 1)[1]] for name, rule in found.items()]),
    ]


def _floors() -> list[str]:
    layers = _lines(rules()["library"], "layers")
    rows = [
        [str(number), f"`fissile.{module}`", _job(module)]
        for number, layer in enumerate(layers, 1)
        for module in _side_by_side(layer)
    ]
    outside = "`fissile.testing` stands outside: the test kit, which production code never imports."
    return ["## Floors of the library, top to bottom", "", *table(("floor", "module", "job"), rows), outside, ""]


def _side_by_side(layer: str) -> list[str]:
    return [name.strip(" ()") for name in layer.split("|")]


def main() -> int:
    """Print the map, write it, or say whether the committed one is the present one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/map.md")
    if parser.parse_args().write:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
