"""Which expressions of a source file are a model, a query or a row, and of which model.

May touch: models that are loaded. Imports nothing.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db.models import Model, QuerySet
from django.db.models.fields.reverse_related import ForeignObjectRel
from django.db.models.manager import BaseManager

from .names import Names, argument
from .scopes import Binding

_TO_ROW = {"get", "first", "last", "earliest", "latest", "create"}
_TO_PAIR = {"get_or_create", "update_or_create"}
# What a query answers with that is neither rows nor a query.
_TO_OTHER = {
    "count", "exists", "aggregate", "in_bulk", "explain", "delete", "update", "bulk_update", "contains", "dates",
    "datetimes", "values", "values_list", "as_manager",
}  # fmt: skip
_COLLECTING = {"list", "tuple", "reversed", "sorted", "iter", "set", "frozenset"}
_DEEPEST = 12


class Kind(Enum):
    """What an expression is, of a model."""

    CLASS = auto()
    QUERY = auto()
    ROW = auto()
    ROWS = auto()  # in a collection of Python's
    PAIR = auto()  # a row, and whether it is new


@dataclass(frozen=True)
class Meaning:
    """An expression's kind and model class."""

    kind: Kind
    model: Any


def model_at(dotted: str) -> Any | None:
    """Return the model class that a loaded module has under a dotted name, re-exported or not, or None."""
    found = _class_at(dotted)
    # Model itself is of no app and has no fields.
    return found if found is not None and issubclass(found, Model) and hasattr(found, "_meta") else None


def _class_at(dotted: str) -> type | None:
    module, _, name = dotted.rpartition(".")
    found = vars(sys.modules[module]).get(name) if module in sys.modules else None
    return found if isinstance(found, type) else None


class Meanings:
    """What the expressions of one file mean. Where nothing is sure, nothing is said."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._known: dict[ast.AST, Meaning | None] = {}
        self._depth = 0

    def of(self, node: ast.AST | None) -> Meaning | None:
        """Return what an expression is, or None."""
        if node is None or self._depth > _DEEPEST:
            return None
        if node not in self._known:
            self._depth += 1
            # A name that is made from itself ends here.
            self._known[node] = None
            self._known[node] = self._of(node)
            self._depth -= 1
        return self._known[node]

    def rows_of(self, node: ast.AST | None) -> Any | None:
        """Return the model whose rows a model class or a query gives, or None."""
        found = self.of(node)
        return found.model if found and found.kind in (Kind.CLASS, Kind.QUERY, Kind.ROWS) else None

    def model_of_class(self, owner: ast.ClassDef | None) -> Any | None:
        """Return the model that a class is, or that an admin, view, form or serializer is about, or None."""
        if owner is None:
            return None
        if (found := model_at(f"{self._names.module}.{owner.name}")) is not None:
            return found
        meta = next((e for e in owner.body if isinstance(e, ast.ClassDef) and e.name == "Meta"), None)
        for holder in (owner, *([meta] if meta else [])):
            for name in ("model", "queryset"):
                for binding in self._names.attributes(holder, name):
                    if binding.how == "is" and (model := self.rows_of(binding.node)) is not None:
                        return model
        return next((model for node in self._registered(owner) if (model := self.rows_of(node)) is not None), None)

    def _registered(self, owner: ast.ClassDef) -> Iterator[ast.expr]:
        for decorator in owner.decorator_list:
            if isinstance(decorator, ast.Call) and self._names.dotted(decorator).endswith("register"):
                yield from decorator.args
        if any(self._names.dotted(base).endswith("Admin") for base in owner.bases):
            yield from self._registered_by_call(owner)

    def _registered_by_call(self, owner: ast.ClassDef) -> Iterator[ast.expr]:
        for node in self._names.parents:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "register":
                by = argument(node, 1, "admin_class")
                if isinstance(by, ast.Name) and by.id == owner.name:
                    yield from getattr(node.args[0], "elts", [node.args[0]])

    def _of(self, node: ast.AST) -> Meaning | None:
        match node:
            case ast.Name():
                return self._of_name(node)
            case ast.Attribute():
                return self._of_attribute(node)
            case ast.Call():
                return self._of_call(node)
            case ast.Await(value=value) | ast.NamedExpr(value=value) | ast.Starred(value=value):
                return self.of(value)
            case ast.IfExp(body=first, orelse=second):
                return self.of(first) or self.of(second)
            case ast.BoolOp(values=values):
                return self._first(values)
            case ast.Subscript(value=value, slice=part):
                return self._part(self.of(value), is_slice=isinstance(part, ast.Slice), position=_number(part))
            case ast.BinOp(left=left, right=right, op=ast.BitOr() | ast.BitAnd()):
                return self.of(left) or self.of(right)
        return None

    def _first(self, nodes: Iterable[ast.AST]) -> Meaning | None:
        return next((found for node in nodes if (found := self.of(node)) is not None), None)

    def _of_name(self, name: ast.Name) -> Meaning | None:
        if (model := model_at(self._names.dotted(name))) is not None:
            return Meaning(Kind.CLASS, model)
        for binding in self._names.bindings(name):
            if (found := self._bound(binding, name)) is not None:
                return found
        return None

    def _bound(self, binding: Binding, name: ast.AST) -> Meaning | None:
        if binding.how == "is":
            return self.of(binding.node)
        if binding.how == "each":
            return self._part(self.of(binding.node), is_slice=False, position=None)
        if binding.how == "item":
            found = self.of(binding.node)
            return self._part(found, is_slice=False, position=binding.position) if found else None
        if binding.how == "parameter" and isinstance(binding.node, ast.arg):
            return self._parameter(binding.node)
        return None

    def _answer(self, bindings: Iterable[Binding]) -> Meaning | None:
        """Return what the functions among some bindings give back, by annotation or by what they return."""
        for binding in bindings:
            function = binding.node
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            answers = (each.value for each in ast.walk(function) if isinstance(each, ast.Return) and each.value)
            if (found := self._annotated(function.returns) or self._first(answers)) is not None:
                return found
        return None

    @staticmethod
    def _part(whole: Meaning | None, *, is_slice: bool, position: int | None) -> Meaning | None:
        if whole is None:
            return None
        if whole.kind in (Kind.QUERY, Kind.ROWS):
            return whole if is_slice else Meaning(Kind.ROW, whole.model)
        return Meaning(Kind.ROW, whole.model) if whole.kind is Kind.PAIR and position == 0 else None

    def _parameter(self, given: ast.arg) -> Meaning | None:
        if (found := self._annotated(given.annotation)) is not None:
            return found
        owner = self._names.enclosing_class(given)
        function = self._names.enclosing_function(given)
        model = self.model_of_class(owner)
        made = _class_at(f"{self._names.module}.{owner.name}") if owner is not None else None
        if made is not None and made is model:
            kinds = {"self": Kind.ROW, "cls": Kind.CLASS}
        elif made is not None and issubclass(made, QuerySet | BaseManager):
            model, kinds = _model_managed_by(made), {"self": Kind.QUERY}
        else:
            # Django's own names in the methods and actions of an admin.
            model = model or (self._model_of_action(function.name) if function else None)
            kinds = {"queryset": Kind.QUERY, "obj": Kind.ROW}
        return Meaning(kinds[given.arg], model) if model is not None and given.arg in kinds else None

    def _annotated(self, annotation: ast.AST | None) -> Meaning | None:
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            # Its names are those of the module.
            model = model_at(f"{self._names.module}.{annotation.value}") or next(
                (model_at(b.dotted) for b in self._names.globals(annotation.value) if b.how == "import"), None
            )
            return Meaning(Kind.ROW, model) if model is not None else None
        if isinstance(annotation, ast.BinOp):
            return self._annotated(annotation.left) or self._annotated(annotation.right)
        if isinstance(annotation, ast.Subscript):
            inner = self._annotated(annotation.slice)
            outer = self._names.dotted(annotation.value).rpartition(".")[2]
            if inner is None or outer in ("Optional", "Annotated"):
                return inner
            return Meaning(Kind.QUERY, inner.model) if outer not in ("type", "Type") else None
        found = self.of(annotation) if isinstance(annotation, ast.Name | ast.Attribute) else None
        return Meaning(Kind.ROW, found.model) if found and found.kind is Kind.CLASS else None

    def _model_of_action(self, function: str) -> Any | None:
        for owner in self._names.classes.values():
            for binding in self._names.attributes(owner, "actions"):
                if any(isinstance(e, ast.Name) and e.id == function for e in getattr(binding.node, "elts", [])):
                    return self.model_of_class(owner)
        return None

    def _of_attribute(self, node: ast.Attribute) -> Meaning | None:
        if (model := model_at(self._names.dotted(node))) is not None and isinstance(
            node.value, ast.Name | ast.Attribute
        ):
            return Meaning(Kind.CLASS, model)
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            owner = self._names.enclosing_class(node)
            for binding in self._names.attributes(owner, node.attr) if owner else []:
                if (found := self._bound(binding, node)) is not None:
                    return found
        base = self.of(node.value)
        if base is None:
            return None
        if base.kind is Kind.CLASS:
            managers = {manager.name for manager in base.model._meta.managers} | {"_base_manager", "_default_manager"}
            return Meaning(Kind.QUERY, base.model) if node.attr in managers else None
        return _related(base.model, node.attr) if base.kind is Kind.ROW else None

    def _of_call(self, call: ast.Call) -> Meaning | None:
        if isinstance(call.func, ast.Name):
            return self._of_function(call, self._names.dotted(call.func))
        if not isinstance(call.func, ast.Attribute):
            return None
        base, method = self.of(call.func.value), call.func.attr
        if base is not None and base.kind is Kind.QUERY:
            return self._of_method(base, method)
        if isinstance(call.func.value, ast.Name) and call.func.value.id == "self":
            owner = self._names.enclosing_class(call)
            if owner is not None and (found := self._answer(self._names.attributes(owner, method))) is not None:
                return found
            if method in ("filter_queryset", "paginate_queryset") and call.args:
                return self.of(call.args[0])
            kind = {"get_object": Kind.ROW, "get_queryset": Kind.QUERY, "aget_object": Kind.ROW}.get(method)
            model = self.model_of_class(owner) if kind else None
            return Meaning(kind, model) if kind and model is not None else None
        return self._of_function(call, self._names.dotted(call.func))

    @staticmethod
    def _of_method(base: Meaning, method: str) -> Meaning | None:
        name = method.removeprefix("a") if method[1:] in _TO_ROW | _TO_PAIR | _TO_OTHER else method
        if name in _TO_OTHER:
            return None
        if name in _TO_ROW:
            return Meaning(Kind.ROW, base.model)
        # A method that nobody knows, of a manager of one's own, gives a query as a rule.
        return Meaning(Kind.PAIR if name in _TO_PAIR else Kind.QUERY, base.model)

    def _of_function(self, call: ast.Call, dotted: str) -> Meaning | None:
        name = dotted.rpartition(".")[2]
        if name in ("get_object_or_404", "aget_object_or_404", "get_list_or_404", "aget_list_or_404"):
            model = self.rows_of(argument(call, 0, "klass"))
            return Meaning(Kind.ROW if "object" in name else Kind.QUERY, model) if model is not None else None
        if dotted in _COLLECTING and call.args:
            model = self.rows_of(call.args[0])
            return Meaning(Kind.ROWS, model) if model is not None else None
        if dotted in ("next", "anext") and call.args:
            return self._part(self.of(call.args[0]), is_slice=False, position=None)
        if name == "get_model":
            return self._registry(call)
        if dotted == "django.contrib.auth.get_user_model":
            return _user_model()
        found = self.of(call.func)
        if found is not None:
            return Meaning(Kind.ROW, found.model) if found.kind is Kind.CLASS else None
        return self._answer(self._names.bindings(call.func)) if isinstance(call.func, ast.Name) else None

    def _registry(self, call: ast.Call) -> Meaning | None:
        label, model = (self._names.text(argument(call, n, a)) for n, a in enumerate(("app_label", "model_name")))
        whole = f"{label}.{model}" if model else label or ""
        try:
            return Meaning(Kind.CLASS, apps.get_model(whole)) if whole.count(".") == 1 else None
        except LookupError:
            return None


def _related(model: Any, name: str) -> Meaning | None:
    meta = model._meta
    try:
        field = meta.get_field(name)
    except FieldDoesNotExist:
        field = None
    if field is not None and field.is_relation and not isinstance(field, ForeignObjectRel) and name == field.name:
        if field.related_model is None or isinstance(field.related_model, str):
            return None
        return Meaning(Kind.QUERY if field.many_to_many else Kind.ROW, field.related_model)
    for relation in meta.related_objects:
        if relation.get_accessor_name() == name:
            return Meaning(Kind.ROW if relation.one_to_one else Kind.QUERY, relation.related_model)
    return None


def _model_managed_by(made: type) -> Any | None:
    """Return the model that a manager or queryset class of one's own is for, if it is for one only."""
    found = {
        model
        for model in apps.get_models()
        for manager in model._meta.managers
        if isinstance(manager, made) or issubclass(getattr(manager, "_queryset_class", object), made)
    }
    return found.pop() if len(found) == 1 else None


def _number(node: ast.AST) -> int | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, int) else None


def _user_model() -> Meaning | None:
    try:
        return Meaning(Kind.CLASS, get_user_model())
    except ImproperlyConfigured:
        return None
