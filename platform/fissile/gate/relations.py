"""Ties between models of different contexts, as the live app registry has them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from django.db import models

from .findings import Finding, Rule
from .project import Project, SourceFile, plain_table

FOREIGN_KEY = Rule(
    id="BND010",
    title="foreign key to another context's model",
    why="A foreign key cannot cross databases: joins, cascades and the constraint itself end at the border.",
    fix="keep the other's id in a plain column (UUIDField) and copy what is needed from its events",
)
MANY_TO_MANY = Rule(
    id="BND011",
    title="many-to-many relation with another context's model",
    why="The join table would need rows of two databases.",
    fix="make a table of your own with the other's ids, fed by its events",
)
GENERIC = Rule(
    id="BND012",
    title="generic relation",
    why="ContentType rows are per database; a generic key that leaves its context points at nothing.",
    fix="name the kinds it may point at: one nullable column per kind, or a (kind, id) pair in your own words",
)
INHERITED = Rule(
    id="BND015",
    title="model that inherits from another context's model",
    why="Its parent's table or code stays behind when the context leaves.",
    fix="copy the fields into a model of your own",
)
FOREIGN_TABLE = Rule(
    id="BND021",
    title="model mapped to another context's table",
    why="Two owners of one table; only one of them has it after a cut.",
    fix="ask the owner through a port, or keep a copy fed by its events",
)
RULES = (FOREIGN_KEY, MANY_TO_MANY, GENERIC, INHERITED, FOREIGN_TABLE)


def find(project: Project) -> Iterator[Finding]:
    """Yield ties of every model that is written in a context (auto-created ones follow from these)."""
    for context, model in project.models():
        file = project.by_module.get(model.__module__)
        if file is None or model._meta.auto_created:
            continue
        if file.context != context and (written := _made_for(project, context, file, model)) is not None:
            file = written
        if file.context != context:
            what = f"{model.__module__}.{model.__name__} is put under the label of {context}"
            yield FOREIGN_TABLE.at(file, _line(file, model, "app_label"), what, other=context)
            continue
        yield from _fields(project, file, model)
        yield from _parents(project, file, model)
        yield from _table(project, file, model)


def _made_for(project: Project, context: str, file: SourceFile, model: Any) -> SourceFile | None:
    """Return the file of the base that a neighbour's factory made a model from, if the base is the context's own."""
    if model.__name__ in file.names.classes:
        return None
    homes = (project.by_module.get(base.__module__) for base in model.__mro__[1:])
    return next((home for home in homes if home is not None and home.context == context), None)


def _target(project: Project, field: Any) -> str | None:
    if not field.is_relation or field.remote_field is None:
        return None
    to = field.remote_field.model
    return project.context_of_model(to) if isinstance(to, str) else project.context_of(to)


def _fields(project: Project, file: SourceFile, model: Any) -> Iterator[Finding]:
    meta = model._meta
    for field in (*meta.local_fields, *meta.local_many_to_many):
        other = _target(project, field)
        # A parent link says nothing that the inheritance does not.
        if other in (None, file.context) or getattr(field.remote_field, "parent_link", False):
            continue
        to = field.remote_field.model
        label = to if isinstance(to, str) else to._meta.label
        rule = MANY_TO_MANY if field.many_to_many else FOREIGN_KEY
        kind = type(field).__name__
        written, owner = _written(project, file, model, field.name)
        what = f"{owner._meta.label}.{field.name} is a {kind} to {label}"
        yield rule.at(written, _line(written, owner, field.name), what, other=str(other))
    yield from _generic(project, file, model)


def _generic(project: Project, file: SourceFile, model: Any) -> Iterator[Finding]:
    inherited = {field.name for parent in model._meta.get_parent_list() for field in parent._meta.private_fields}
    for field in model._meta.private_fields:
        # By name: contenttypes may not be installed, and then neither are they.
        kinds = {base.__name__ for base in type(field).__mro__}
        other = _target(project, field) if "GenericRelation" in kinds else ""
        # The way back within a context says nothing that its key does not.
        if not kinds & {"GenericForeignKey", "GenericRelation"} or other in (None, file.context):
            continue
        if field.name in inherited:
            continue
        written, owner = _written(project, file, model, field.name)
        what = f"{owner._meta.label}.{field.name} is a {type(field).__name__}"
        yield GENERIC.at(written, _line(written, owner, field.name), what, other=str(other))


def _written(project: Project, file: SourceFile, model: Any, name: str) -> tuple[SourceFile, Any]:
    """Return the file and the class that a field is written in: the model, or an abstract one of its context."""
    for base in model.__mro__[1:]:
        home = project.by_module.get(base.__module__)
        meta = getattr(base, "_meta", None)
        if home is not None and home.context == file.context and meta is not None and meta.abstract:
            fields = (*meta.local_fields, *meta.local_many_to_many, *meta.private_fields)
            if any(field.name == name for field in fields):
                file, model = home, base
    return file, model


def _parents(project: Project, file: SourceFile, model: Any) -> Iterator[Finding]:
    for base in model.__bases__:
        if isinstance(base, type) and issubclass(base, models.Model):
            other = project.context_of_module(base.__module__)
            if other not in (None, file.context):
                what = f"{model._meta.label} inherits from {base.__module__}.{base.__name__}"
                yield INHERITED.at(file, _line(file, model), what, other=str(other))


def _table(project: Project, file: SourceFile, model: Any) -> Iterator[Finding]:
    if model._meta.proxy or model._meta.abstract:
        return
    table = plain_table(model._meta.db_table)
    owner = project.tables.get(table)
    if owner in (None, file.context) and project.is_declared:
        # Tables begin with their context's name; a neighbour may not be installed here.
        owner = project.context_of_label(table.split("_", 1)[0]) if "_" in table else None
        owner = None if table.startswith(f"{file.context}_") else owner
    if owner not in (None, file.context):
        what = f"{model._meta.label} is mapped to {table}, a table of {owner}"
        yield FOREIGN_TABLE.at(file, _line(file, model, "db_table"), what, other=str(owner))


def _line(file: SourceFile, model: Any, name: str = "") -> int:
    cls = file.names.classes.get(model.__name__)
    if cls is None:
        return 1
    for node in ast.walk(cls) if name else ():
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.Assign | ast.AnnAssign) and any(
            isinstance(target, ast.Name) and target.id == name for target in targets
        ):
            return node.lineno
    return cls.lineno
