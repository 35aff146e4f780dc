"""What a context's source already says: its classes, an event's fields, its migrations. Parsed, never imported.

May touch: a draft, read only.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from .declaration import declared
from .draft import Draft
from .errors import NoSuchPart
from .layout import Layout


def classes(draft: Draft, path: str, base: str = "") -> dict[str, ast.ClassDef]:
    """Return a module's classes by name, those with a base of that name if one is given; none without the file."""
    if not draft.exists(path):
        return {}
    found = (node for node in ast.parse(draft.read(path)).body if isinstance(node, ast.ClassDef))
    return {
        node.name: node
        for node in found
        if not base or any(ast.unparse(one).rpartition(".")[2] == base for one in node.bases)
    }


def body_with_bases(draft: Draft, path: str, cls: ast.ClassDef) -> list[ast.stmt]:
    """Return the statements of a class and, before them, of those bases that stand in the same module."""
    there = classes(draft, path)
    inherited = [there[name] for base in cls.bases if (name := ast.unparse(base)) in there and name != cls.name]
    return [*(node for base in inherited for node in body_with_bases(draft, path, base)), *cls.body]


def functions(draft: Draft, path: str) -> dict[str, ast.FunctionDef]:
    """Return a module's functions by name; none without the file."""
    if not draft.exists(path):
        return {}
    return {node.name: node for node in ast.parse(draft.read(path)).body if isinstance(node, ast.FunctionDef)}


def columns(cls: ast.ClassDef) -> dict[str, str]:
    """Return what a model's class assigns, as it is written, by name: its columns."""
    assigned = (node for node in cls.body if isinstance(node, ast.Assign))
    return {ast.unparse(node.targets[0]): ast.unparse(node.value) for node in assigned}


def decorates(decorator: ast.expr, name: str, argument: str) -> bool:
    """True if a decorator is `@name(argument, …)`, whatever module it is named through."""
    return (
        isinstance(decorator, ast.Call)
        and ast.unparse(decorator.func).rpartition(".")[2] == name
        and bool(decorator.args)
        and ast.unparse(decorator.args[0]).rpartition(".")[2] == argument
    )


def handler(draft: Draft, folder: str, event_class: str) -> str | None:
    """Return the function that handles an event for the context in a folder, or None."""
    for function in functions(draft, f"{folder}/consumers.py").values():
        if any(decorates(one, "consumes", event_class) for one in function.decorator_list):
            return function.name
    return None


@dataclass(frozen=True, kw_only=True)
class PublishedEvent:
    """An event of a neighbour, as its contracts write it."""

    context: str
    package: str
    wire: str
    cls: str
    aggregate: str
    # Name → annotation, in the order of the class; without the aggregate's own id.
    fields: dict[str, str]

    @property
    def key_field(self) -> str:
        """The attribute that holds the aggregate's id."""
        return f"{self.aggregate}_id"


def published_event(draft: Draft, layout: Layout, name: str) -> PublishedEvent:
    """Return the event `<context>.<fact>`, newest version, or `….v2` if one is named. Raise NoSuchPart."""
    context, _, fact = name.partition(".")
    folder = layout.folder_of(context)
    path = f"{folder}/contracts/events.py"
    found = {wire: (cls, said) for cls, wire, said in _events(draft, path)}
    fits = sorted(wire for wire in found if wire == name or wire.rpartition(".v")[0] == name)
    if not fits:
        there = ", ".join(sorted(found)) or "none"
        raise NoSuchPart(
            f"{context} publishes no {fact or 'event'}; it has {there}.", where=path, fix=f"startevent {context}.{fact}"
        )
    wire = fits[-1]
    cls, said = found[wire]
    if wire not in declared(draft.read(f"{folder}/context.py"), f"{folder}/context.py", "publishes"):
        raise NoSuchPart(f"{wire} is not published.", where=f"{folder}/context.py", fix="add it to publishes")
    annotated = {
        node.target.id: ast.unparse(node.annotation)
        for node in body_with_bases(draft, path, cls)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is None
    }
    aggregate = said["aggregate_type"]
    return PublishedEvent(
        context=context,
        package=layout.package_of(context),
        wire=wire,
        cls=cls.name,
        aggregate=aggregate,
        fields={field: kind for field, kind in annotated.items() if field != f"{aggregate}_id"},
    )


def _events(draft: Draft, path: str) -> list[tuple[ast.ClassDef, str, dict[str, str]]]:
    found = []
    for cls in classes(draft, path).values():
        said = {
            node.target.id: node.value.value
            for node in body_with_bases(draft, path, cls)
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
            and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        }  # fmt: skip
        if {"name", "aggregate_type"} <= set(said):
            found.append((cls, said["name"], said))
    return found


def migrations(draft: Draft, folder: str) -> list[str]:
    """Return the names of a context's migrations in their order; raise NoSuchPart without any."""
    names = [path.rpartition("/")[2].removesuffix(".py") for path in draft.files_of(f"{folder}/migrations")]
    found = sorted(name for name in names if name[:4].isdigit())
    if not found:
        raise NoSuchPart(f"{folder} has no migration.", where=f"{folder}/migrations", fix="manage.py makemigrations")
    return found


def next_migration(draft: Draft, folder: str, slug: str) -> tuple[str, str]:
    """Return the last migration's name and the next one's, such as 0002_invoice."""
    last = migrations(draft, folder)[-1]
    return last, f"{int(last[:4]) + 1:04}_{slug}"


def has_table(draft: Draft, folder: str, model: str) -> bool:
    """True if a migration creates the model."""
    found = (f"{folder}/migrations/{name}.py" for name in migrations(draft, folder))
    return any(f"name='{model}'" in draft.read(path) or f'name="{model}"' in draft.read(path) for path in found)
