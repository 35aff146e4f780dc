"""The Django admin across contexts: foreign models registered or shown inline, and fields that join."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .findings import Finding, Rule
from .paths import Paths
from .project import Project, SourceFile

REGISTERED = Rule(
    id="BND050",
    title="admin of another context's model",
    why="The model is not installed where this context will run.",
    fix="register it in its owner's admin; show a copy fed by events here",
)
JOINED = Rule(
    id="BND051",
    title="admin option that reaches another context's rows",
    why="Autocomplete, filters and searches through a relation query the other's table.",
    fix="list the plain id, and search by columns of your own",
)
RULES = (REGISTERED, JOINED)
_OPTIONS = {
    "autocomplete_fields", "raw_id_fields", "list_filter", "search_fields", "list_select_related", "list_display",
    "ordering", "date_hierarchy", "filter_horizontal", "filter_vertical", "readonly_fields",
}  # fmt: skip
# These name a field and query its target at once; the others join only through `__`.
_DIRECT = {
    "autocomplete_fields",
    "raw_id_fields",
    "list_display",
    "list_filter",
    "list_select_related",
    "filter_horizontal",
    "filter_vertical",
}


def find(project: Project) -> Iterator[Finding]:
    """Yield registrations, inlines and options."""
    paths = Paths(project)
    for file in project.files():
        for node in file.nodes:
            if isinstance(node, ast.Call):
                yield from _registered(project, file, node)
            elif isinstance(node, ast.ClassDef) and _is_admin(file, node):
                yield from _class(project, paths, file, node)


def _is_admin(file: SourceFile, cls: ast.ClassDef) -> bool:
    return any(file.names.dotted(base).rsplit(".", 1)[-1].endswith(("Admin", "Inline")) for base in cls.bases)


def _registered(project: Project, file: SourceFile, call: ast.Call) -> Iterator[Finding]:
    if not (isinstance(call.func, ast.Attribute) and call.func.attr in ("register", "unregister") and call.args):
        return
    dotted = file.names.dotted(call.func)
    if "admin" not in dotted and "site" not in dotted:
        return
    first = call.args[0]
    for node in first.elts if isinstance(first, ast.List | ast.Tuple) else call.args:
        found, other = _model(project, file, node)
        if other not in (None, file.context):
            yield REGISTERED.at(file, call, f"{file.module} {call.func.attr}s {found}", other=str(other))


def _model(project: Project, file: SourceFile, node: ast.expr) -> tuple[str, str | None]:
    """Return what a model is called, and the context it belongs to; "" and None for what is no model."""
    if (model := file.meanings.rows_of(node)) is not None:
        return str(model._meta.label), project.context_of(model)
    # A neighbour that is not installed here has no classes.
    dotted = file.names.dotted(node)
    return (dotted, project.context_of_module(dotted)) if ".models." in dotted else ("", None)


def _class(project: Project, paths: Paths, file: SourceFile, cls: ast.ClassDef) -> Iterator[Finding]:
    for node in cls.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(target, ast.Name) or node.value is None:
            continue
        if target.id == "model":
            found, other = _model(project, file, node.value)
            if other not in (None, file.context):
                yield REGISTERED.at(file, node, f"{cls.name} shows {found} inline", other=str(other))
        elif target.id in _OPTIONS:
            yield from _option(paths, file, cls, node, target.id)


def _option(
    paths: Paths, file: SourceFile, cls: ast.ClassDef, node: ast.Assign | ast.AnnAssign, option: str
) -> Iterator[Finding]:
    model = file.meanings.model_of_class(cls)
    own = {each.name for each in cls.body if isinstance(each, ast.FunctionDef)}
    for each in ast.walk(node.value) if node.value else ():
        path = each.value.lstrip("-=^@") if isinstance(each, ast.Constant) and isinstance(each.value, str) else ""
        # A column that a method of the admin makes is not the field of its name.
        other = paths.leaves(file.context, model, path, loads=option in _DIRECT) if path and path not in own else None
        if other is not None:
            yield JOINED.at(file, node, f"{cls.name}.{option} reaches {other} through {path}", other=other)
            return
