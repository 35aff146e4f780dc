"""`context.py` against the code: what is used and not declared, declared and not there, and apps of no context."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from fissile.contexts.declaration import Context

from .findings import Finding, Rule
from .names import argument, keyword
from .project import GateContext, Project, SourceFile

UNDECLARED = Rule(
    id="BND002",
    title="used and not declared in context.py",
    why="Topology, authorisation and the map are derived from the declaration; an undeclared edge is refused far away.",
    fix="declare it in context.py (asks, consumes, publishes, offers, takes, sends or requests), or remove the use",
)
ABSENT = Rule(
    id="BND003",
    title="declared in context.py and not in the code",
    why="Queues are bound and rights are granted for what is declared; this one serves nobody.",
    fix="write it, or take the line out of context.py",
)
STRAY = Rule(
    id="BND005",
    title="an app that belongs to no context",
    why="No rule of the gate covers it, so it can tie contexts together unseen.",
    fix="move it into a context, or give it a declaration and a line in the table of contexts",
)
RULES = (UNDECLARED, ABSENT, STRAY)


def find(project: Project) -> Iterator[Finding]:
    """Yield differences; nothing in a project that declares nothing."""
    for config in project.strays:
        path = next((p for p in (Path(config.path) / "apps.py", Path(config.path) / "__init__.py") if p.exists()), None)
        yield Finding(
            path=path or Path(config.path), line=1, rule_id=STRAY.id, context=config.label, other="",
            what=f"{config.name} is installed and no context holds it",
        )  # fmt: skip
    for context in project.contexts:
        if context.declaration is not None:
            declared = _Declared(context, context.declaration)
            yield from _asks(declared)
            yield from _consumes(declared, project)
            yield from _takes(declared, project)
            yield from _hears_replies(declared, project)
            yield from _sends(declared, project)
            yield from _publishes(declared)
            yield from _offers(declared)


class _Declared:
    """One context's declaration with its lines."""

    def __init__(self, context: GateContext, says: Context) -> None:
        self.context, self.says = context, says
        self.file = next(file for file in context.files if file.room == "context.py")

    def room(self, *names: str) -> Iterator[SourceFile]:
        """Yield the files of rooms, whether a room is a file or a folder."""
        for file in self.context.files:
            if any(file.room == f"{name}.py" or file.room.startswith(f"{name}/") for name in names):
                yield file

    def absent(self, name: str, what: str) -> Finding:
        """Return a BND003 at the line that declares a name."""
        line = next((n.lineno for n in self.file.nodes if isinstance(n, ast.Constant) and n.value == name), 1)
        return ABSENT.at(self.file, line, what, other=_other(name, self.context.name))


def _other(name: str, own: str) -> str:
    first = name.split(".", 1)[0]
    return first if "." in name and first != own else ""


def _asks(declared: _Declared) -> Iterator[Finding]:
    used: set[str] = set()
    for file in declared.context.files:
        for call in file.calls():
            if (wish := _wish(file, call)) is None:
                continue
            used.add(wish)
            if wish not in declared.says.asks:
                yield UNDECLARED.at(
                    file, call, f"{file.module} asks {wish}, which context.py does not declare",
                    other=wish.split(".")[0],
                )  # fmt: skip
    for wish in declared.says.asks:
        if wish not in used:
            yield declared.absent(wish, f"{declared.context.name} declares that it asks {wish}; no adapter does")


def _wish(file: SourceFile, call: ast.Call) -> str | None:
    """Return `<context>.<function>` if the call is neighbour("context").ask("function")."""
    if not (isinstance(call.func, ast.Attribute) and call.func.attr == "ask"):
        return None
    function = file.names.text(argument(call, 0, "function"))
    asked = {name for one in file.names.values(call.func.value) if (name := _neighbour(file, one))}
    return f"{asked.pop()}.{function}" if function and len(asked) == 1 else None


def _neighbour(file: SourceFile, node: ast.expr) -> str | None:
    if isinstance(node, ast.Call) and file.names.dotted(node.func).startswith("fissile.calls"):
        return file.names.text(argument(node, 0, "name"))
    return None


def _consumes(declared: _Declared, project: Project) -> Iterator[Finding]:
    handled: set[str] = set()
    for file, node, decorator in _decorated(declared, "consumers.consumes"):
        name = _event_name(file, argument(decorator, 0, "event"), project)
        if (into := _elsewhere(file, decorator, declared)) is not None:
            yield UNDECLARED.at(
                file, decorator, f"{node.name} hears {name} for {into}, which is another context", other=into
            )
            continue
        handled.add(name)
        if name not in declared.says.consumes:
            yield UNDECLARED.at(
                file, decorator, f"{node.name} handles {name}, which context.py does not declare",
                other=_other(name, declared.context.name),
            )  # fmt: skip
    for name in declared.says.consumes:
        if name not in handled:
            yield declared.absent(name, f"{declared.context.name} declares that it consumes {name}; no handler does")


def _takes(declared: _Declared, project: Project) -> Iterator[Finding]:
    taken: set[str] = set()
    for file, node, decorator in _decorated(declared, "receivers.takes"):
        name = _event_name(file, argument(decorator, 0, "command"), project)
        taken.add(name)
        if name not in declared.says.takes:
            yield UNDECLARED.at(
                file, decorator, f"{node.name} takes {name}, which context.py does not declare",
                other=_other(name, declared.context.name),
            )  # fmt: skip
    for name in declared.says.takes:
        if name not in taken:
            yield declared.absent(name, f"{declared.context.name} declares that it takes {name}; no handler does")


def _hears_replies(declared: _Declared, project: Project) -> Iterator[Finding]:
    heard: set[str] = set()
    for file, node, decorator in _decorated(declared, "receivers.takes_reply"):
        name = _event_name(file, argument(decorator, 0, "request"), project)
        if (into := _elsewhere(file, decorator, declared)) is not None:
            what = f"{node.name} hears replies to {name} for {into}, which is another context"
            yield UNDECLARED.at(file, decorator, what, other=into)
            continue
        heard.add(name)
        if name not in declared.says.requests:
            yield UNDECLARED.at(
                file, decorator, f"{node.name} hears replies to {name}, which context.py does not request",
                other=_other(name, declared.context.name),
            )  # fmt: skip
    for name in declared.says.requests:
        if name not in heard:
            yield declared.absent(name, f"{declared.context.name} declares that it requests {name}; none hears replies")


def _sends(declared: _Declared, project: Project) -> Iterator[Finding]:
    made: set[str] = set()
    says = (*declared.says.sends, *declared.says.requests)
    for file in declared.context.files:
        for call in file.calls():
            # By the convention that commands stand in their own file: their classes may not be installed here.
            if ".contracts.commands." not in file.names.dotted(call.func):
                continue
            name = _event_name(file, call.func, project)
            if not (other := _other(name, declared.context.name)):
                continue
            made.add(name)
            if name not in says:
                what = f"{file.module} makes {name}, which context.py neither sends nor requests"
                yield UNDECLARED.at(file, call, what, other=other)
    for name in says:
        if name not in made:
            yield declared.absent(name, f"{declared.context.name} declares that it sends {name}; no code makes one")


def _decorated(declared: _Declared, decorator_name: str) -> Iterator[tuple[SourceFile, ast.FunctionDef, ast.Call]]:
    """Yield the functions of consumers.py behind a decorator of the library's, with that decorator's call."""
    for file in declared.room("consumers"):
        for node in file.nodes:
            if isinstance(node, ast.FunctionDef):
                for decorator in node.decorator_list:
                    if isinstance(decorator, ast.Call) and file.names.dotted(decorator).endswith(decorator_name):
                        yield file, node, decorator


def _elsewhere(file: SourceFile, decorator: ast.Call, declared: _Declared) -> str | None:
    """Return the context that a handler works for, if it is not its own."""
    into = file.names.text(keyword(decorator, "into"))
    return None if into in (None, declared.context.name) else str(into)


def _event_name(file: SourceFile, node: ast.expr | None, project: Project) -> str:
    """Return the wire name of an event class that a handler names."""
    dotted = file.names.dotted(node)
    module, _, cls = dotted.rpartition(".")
    found = project.by_module.get(module)
    if found is not None and cls in found.names.classes:
        return _wire_name(found, found.names.classes[cls]) or dotted
    # The publisher is not installed here: its contracts can be imported all the same.
    from django.utils.module_loading import import_string

    try:
        return str(import_string(dotted).name)
    except (ImportError, AttributeError):
        return dotted


def _wire_name(file: SourceFile, cls: ast.ClassDef) -> str | None:
    for node in cls.body:
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            target, value = node.target, node.value
        else:
            continue
        if isinstance(target, ast.Name) and target.id == "name":
            return file.names.text(value)
    return None


def _publishes(declared: _Declared) -> Iterator[Finding]:
    named = set(_named_outside_of_contracts(declared.context))
    found: set[str] = set()
    for file in declared.room("contracts"):
        for cls in file.names.classes.values():
            name = _wire_name(file, cls)
            if not name or not _is_event(file, cls):
                continue
            found.add(name)
            if name not in declared.says.publishes:
                yield UNDECLARED.at(file, cls, f"{cls.name} ({name}) is an event that context.py does not publish")
            elif not any(one == f"{file.module}.{cls.name}" or one.endswith(f".contracts.{cls.name}") for one in named):
                yield declared.absent(
                    name, f"{declared.context.name} declares that it publishes {name}; no code makes one"
                )
    for name in declared.says.publishes:
        if name not in found:
            yield declared.absent(
                name, f"{declared.context.name} declares that it publishes {name}; contracts have no such event"
            )


def _named_outside_of_contracts(context: GateContext) -> Iterator[str]:
    # Named, not called: a table from status to event class makes events too.
    for file in context.files:
        if not file.room.startswith("contracts"):
            for node in file.nodes:
                if isinstance(node, ast.Name | ast.Attribute):
                    yield file.names.dotted(node)


def _is_event(file: SourceFile, cls: ast.ClassDef) -> bool:
    """Tell whether a class comes from `fissile.messages.Event`, through classes of the same file if need be."""
    for base in cls.bases:
        dotted = file.names.dotted(base)
        parent = file.names.classes.get(dotted.rpartition(".")[2]) if dotted.startswith(file.module) else None
        if dotted.endswith(".Event") or (parent is not None and parent is not cls and _is_event(file, parent)):
            return True
    return False


def _offers(declared: _Declared) -> Iterator[Finding]:
    found: set[str] = set()
    for file in declared.room("facade"):
        for node in file.tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                found.add(node.name)
                if node.name not in declared.says.offers:
                    yield UNDECLARED.at(file, node, f"facade.{node.name} is public, and context.py offers it to nobody")
    for name in declared.says.offers:
        if name not in found:
            yield declared.absent(name, f"{declared.context.name} offers {name}; facade.py has no such function")
