"""Access to another context's models past imports: the app registry, reverse relations, joins, content types."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from .findings import Finding, Rule
from .meanings import Kind
from .migrations import swapped
from .names import argument
from .paths import Paths
from .project import GateContext, Project, SourceFile
from .relations import GENERIC
from .templates import lines_of

REVERSE = Rule(
    id="BND013",
    title="query or attribute that crosses a relation between contexts",
    why="It is a join, or a query of the other's table, that nobody sees in the imports.",
    fix="ask the other context through a port in one batch, or keep a local copy fed by its events",
)
GET_MODEL = Rule(
    id="BND014",
    title="another context's model from the app registry",
    why="get_model is an import that linters do not see; it fails once the app is not installed.",
    fix="ask through a port, or keep a local copy fed by its events",
)
RULES = (REVERSE, GET_MODEL)

_QUERIES = {
    "filter", "exclude", "get", "get_or_create", "update_or_create", "select_related", "prefetch_related", "values",
    "values_list", "order_by", "only", "defer", "annotate", "aggregate", "alias", "distinct", "aget", "update", "Q",
    "F", "Count", "Sum", "Max", "Min", "Avg", "Prefetch", "Exists", "OuterRef", "When", "get_object_or_404",
    "get_list_or_404",
}  # fmt: skip
_LOADING = {"select_related", "prefetch_related", "Prefetch", "prefetch_related_objects"}
_MANAGER = {
    "all", "filter", "exclude", "get", "count", "exists", "first", "last", "create", "add", "remove", "set", "clear",
    "values", "values_list", "order_by", "aggregate", "annotate", "update", "delete", "select_related", "iterator",
    "get_or_create", "update_or_create", "bulk_create", "prefetch_related", "earliest", "latest",
}  # fmt: skip
# Reads of a mapping: their strings are keys, never lookups.
_OF_MAPPINGS = {"get", "pop", "setdefault", "getlist"}
_LOOKUP = re.compile(r"[-=^@]?([a-z]\w*?__\w+)")
# Django's admin has a check of its own for these.
_ADMIN = ("Admin", "Inline")
_IN_TEMPLATE = re.compile(r"\b(\w+)\.(\w+)\.\w+")
_TAG = re.compile(r"\{[{%].*?[%}]\}")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
# They have attributes of any name, and none is a row's.
_NO_ROWS = {"request", "form", "forms", "serializer", "settings", "block", "forloop", "self"}
_REGISTRY = {"get_model", "get_app_config", "get_registered_model", "get_containing_app_config"}


def find(project: Project) -> Iterator[Finding]:
    """Yield registry look-ups, reverse accessors and joins, and uses of ContentType."""
    paths = Paths(project)
    for context in project.contexts:
        doors = paths.doors[context.name]
        for file in context.files:
            yield from _registry(project, file)
            yield from _content_types(project, file)
            if doors and not file.is_migration:
                yield from _attributes(paths, file, doors)
                yield from _lookups(paths, file)
        if doors:
            yield from _in_templates(paths, context)


def _registry(project: Project, file: SourceFile) -> Iterator[Finding]:
    for node in file.nodes:
        label: str | None = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _REGISTRY:
            given = argument(node, 0, "app_label")
            label = file.names.text(given) or swapped(file, given)
            model = file.names.text(argument(node, 1, "model_name"))
            label = f"{label}.{model}" if label and model else label
        elif isinstance(node, ast.Call) and file.names.dotted(node.func) == "django.contrib.auth.get_user_model":
            label = swapped(file, node)
        elif isinstance(node, ast.Subscript) and file.names.dotted(node.value).endswith("apps.all_models"):
            label = file.names.text(node.slice)
        other = project.context_of_model(label) if label else None
        if other not in (None, file.context):
            yield GET_MODEL.at(file, node, f"{file.module} takes {label} from the app registry", other=str(other))


def _attributes(paths: Paths, file: SourceFile, doors: set[str]) -> Iterator[Finding]:
    for node in file.nodes:
        if not (isinstance(node, ast.Attribute) and node.attr in doors and isinstance(node.ctx, ast.Load)):
            continue
        base = file.meanings.of(node.value)
        if base is None:
            is_query = isinstance(use := file.names.parents.get(node), ast.Attribute) and use.attr in _MANAGER
            other = paths.door(file.context, None, node.attr) if is_query else None
        else:
            other = paths.door(file.context, base.model, node.attr) if base.kind is Kind.ROW else None
        if other is not None:
            yield REVERSE.at(file, node, f".{node.attr} reaches rows of {other}", other=other)


def _lookups(paths: Paths, file: SourceFile) -> Iterator[Finding]:
    for node in file.nodes:
        for path, where in _paths_in(file, node):
            loads = any(_called(call) in _LOADING for call in _calls_around(file, where))
            other = paths.leaves(file.context, _root(file, where), path, loads=loads)
            if other is not None:
                yield REVERSE.at(file, where, f"the lookup {path} joins rows of {other}", other=other)


def _paths_in(file: SourceFile, node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield (lookup path, its node) of a keyword or a string that may be one."""
    parent = file.names.parents.get(node)
    if isinstance(node, ast.keyword) and isinstance(parent, ast.Call) and node.arg:
        if "__" in node.arg or _called(parent) in _QUERIES:
            yield node.arg, node
        if node.arg in ("source", "field_name") and (text := file.names.text(node.value)) and "." in text:
            yield text.replace(".", "__"), node
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        is_key = isinstance(parent, ast.Subscript) or _is_read_of_mapping(parent)
        in_query = isinstance(parent, ast.Call) and _called(parent) in _QUERIES and node in parent.args
        if is_key or isinstance(parent, ast.Expr) or _is_admin_option(file, node):
            return
        if in_query or _LOOKUP.fullmatch(node.value):
            yield node.value.lstrip("-=^@"), node


def _is_read_of_mapping(parent: ast.AST | None) -> bool:
    return isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute) and parent.func.attr in _OF_MAPPINGS


def _is_admin_option(file: SourceFile, node: ast.AST) -> bool:
    owner = file.names.enclosing_class(node)
    if owner is None or file.names.enclosing_function(node) is not None:
        return False
    return any(file.names.dotted(base).endswith(_ADMIN) for base in owner.bases)


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _calls_around(file: SourceFile, node: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls of a node's statement that the node stands in, from the inside."""
    for each in file.names.ancestors(node):
        if isinstance(each, ast.stmt):
            return
        if isinstance(each, ast.Call):
            yield each


def _root(file: SourceFile, node: ast.AST) -> Any | None:
    """Return the model whose query a lookup stands in, if that is known."""
    for call in _calls_around(file, node):
        model = file.meanings.rows_of(call.func.value) if isinstance(call.func, ast.Attribute) else None
        if model is None and _called(call) in ("get_object_or_404", "get_list_or_404"):
            model = file.meanings.rows_of(argument(call, 0, "klass"))
        if model is not None:
            return model
    return file.meanings.model_of_class(file.names.enclosing_class(node))


def _in_templates(paths: Paths, context: GateContext) -> Iterator[Finding]:
    for path in context.templates:
        for number, line in lines_of(path):
            # Outside of tags, a dotted word is text or somebody's JavaScript.
            said = " ".join(_QUOTED.sub(" ", tag) for tag in _TAG.findall(line))
            for root, name in _IN_TEMPLATE.findall(said):
                other = paths.door(context.name, None, name) if root not in _NO_ROWS else None
                if other is not None:
                    yield Finding(
                        path=path, line=number, rule_id=REVERSE.id, context=context.name, other=other,
                        what=f".{name} reaches rows of {other}",
                    )  # fmt: skip


def _content_types(project: Project, file: SourceFile) -> Iterator[Finding]:
    for call in file.calls():
        if not file.names.dotted(call).startswith("django.contrib.contenttypes.models.ContentType."):
            continue
        texts = (file.names.text(each) for each in (argument(call, 0, "app_label"),))
        other = next((found for text in texts if text and (found := project.context_of_label(text))), None)
        if project.is_declared or other not in (None, file.context):
            what = f"{file.module} works with ContentType rows, which are per database"
            yield GENERIC.at(file, call, what, other=other if other and other != file.context else "")
