"""Where a path through relations leaves its context: `wisher__email`, `.wishlist_set`, `list.giver.email`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models.fields.reverse_related import ForeignObjectRel

from .project import Project

# Endings of a lookup that read the key's own column and join nothing.
_OWN_COLUMN = {"id", "pk", "in", "exact", "isnull", "gt", "gte", "lt", "lte", "range"}


class Paths:
    """The relations of a project's models, asked by name."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._models: dict[str, list[Any]] = defaultdict(list)
        # Context → names that lead from its models straight to another's.
        self.doors: dict[str, set[str]] = defaultdict(set)
        for context, model in project.models():
            self._models[context].append(model)
            for field in model._meta.get_fields():
                if self._other(context, field) is not None:
                    self.doors[context].update(_names(field))

    def leaves(self, context: str, model: Any | None, path: str, *, loads: bool = False) -> str | None:
        """Return the context that a lookup path joins, or None.

        `loads`: the last relation's rows are read, too, as select_related does. Without a model, every model of
        the context is tried, and one on which the path stays at home is taken to be meant.
        """
        if model is not None:
            return self._leaves(context, model, path, loads=loads)[1] if self._is_of(context, model) else None
        walks = [self._leaves(context, each, path, loads=loads) for each in self._models[context]]
        known = [other for is_known, other in walks if is_known]
        return None if None in known else next(iter(known), None)

    def door(self, context: str, model: Any | None, name: str) -> str | None:
        """Return the context whose rows a row's attribute gives, or None; without a model, as in `leaves`."""
        models = [model] if model is not None else self._models[context]
        found = [self._other(context, field) for each in models for field in _fields_at(each, name)]
        return None if None in found else next(iter(found), None)

    def _is_of(self, context: str, model: Any) -> bool:
        return self._project.context_of(model) == context

    def _other(self, context: str, field: Any) -> str | None:
        related = field.related_model if field.is_relation else None
        if related is None:
            return None
        other = (
            self._project.context_of_model(related) if isinstance(related, str) else self._project.context_of(related)
        )
        return other if other != context else None

    def _leaves(self, context: str, model: Any, path: str, *, loads: bool) -> tuple[bool, str | None]:
        """Return whether the model has such a path, and the context that the path joins."""
        steps = path.split("__")
        came_by = None
        for position, step in enumerate(steps):
            field = _field(model, step)
            if field is None:
                return step == "pk" or (came_by is not None and _has_lookup(came_by, step)), None
            if not field.is_relation:
                return True, None
            if step != getattr(field, "name", step) and step == getattr(field, "attname", ""):
                return True, None
            other = self._other(context, field)
            if other is not None:
                rest = steps[position + 1 :]
                is_own_column = (
                    not _is_reverse(field)
                    and not field.many_to_many
                    and (not rest or (len(rest) == 1 and rest[0] in _OWN_COLUMN))
                )
                return True, None if is_own_column and not (loads and not rest) else other
            if field.related_model is None or isinstance(field.related_model, str):
                return True, None
            came_by, model = field, field.related_model
        return True, None


def _field(model: Any, step: str) -> Any | None:
    try:
        return model._meta.get_field(step)
    except FieldDoesNotExist:
        # prefetch_related goes by accessors.
        return next((each for each in model._meta.related_objects if each.get_accessor_name() == step), None)


def _has_lookup(field: Any, name: str) -> bool:
    forward = field.field if _is_reverse(field) else field
    return forward.get_lookup(name) is not None


def _fields_at(model: Any, name: str) -> Iterator[Any]:
    for field in model._meta.get_fields():
        if field.is_relation and name == (field.get_accessor_name() if _is_reverse(field) else field.name):
            yield field


def _names(field: Any) -> set[str]:
    return {field.name, field.get_accessor_name()} if _is_reverse(field) else {field.name}


def _is_reverse(field: Any) -> bool:
    return isinstance(field, ForeignObjectRel)
