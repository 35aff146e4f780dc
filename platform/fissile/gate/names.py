"""What the expressions of a source file refer to: dotted origins, and literal texts."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TypeGuard

from .scopes import Binding, Scopes

# A name with more texts than these is a table of data, and nobody's SQL or key.
_MOST_TEXTS = 24
_DEEPEST = 8
# Calls that give their first argument's text back, near enough to read it.
_KEEPING = {"dedent", "cleandoc", "SQL", "text", "str", "gettext", "gettext_lazy", "Literal"}
_HOLE = re.compile(r"%\(\w+\)s|%[sdr]|\{\w*\}")


class Names(Scopes):
    """The names of one module.

    `elsewhere` gives the texts of a dotted name that another module binds.
    """

    def __init__(
        self,
        module: str,
        nodes: Sequence[ast.AST],
        *,
        is_package: bool,
        elsewhere: Callable[[str], Iterable[str]] = lambda dotted: (),
    ) -> None:
        super().__init__(module, nodes, is_package=is_package)
        self._elsewhere = elsewhere
        self._asked: set[str] = set()

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """Class name → definition."""
        return {node.name: node for node in self._nodes if isinstance(node, ast.ClassDef)}

    def dotted(self, node: ast.AST | None) -> str:
        """Return where an expression comes from; "" if that cannot be said.

        A call stands for what is called: `Order.objects.filter(…).update` is
        apps.orders.models.Order.objects.filter.update.
        """
        parts: list[str] = []
        while True:
            if isinstance(node, ast.Attribute):
                parts.append(node.attr)
                node = node.value
            elif isinstance(node, ast.Call):
                node = node.func
            elif isinstance(node, ast.Subscript):
                node = node.value
            elif isinstance(node, ast.Name):
                parts.append(self._local(node))
                return ".".join(reversed(parts))
            else:
                return ""

    def _local(self, name: ast.Name) -> str:
        found = self.bindings(name)
        origin = next((binding.dotted for binding in found if binding.how == "import"), None)
        if origin is not None:
            return origin
        return f"{self.module}.{name.id}" if any(binding.how == "class" for binding in found) else name.id

    def values(self, node: ast.AST | None) -> list[ast.expr]:
        """Return the expressions that a name, or an attribute of self, stands for; of others, themselves.

        A loop's variable stands for the elements of a literal.
        """
        if isinstance(node, ast.Name):
            found = self.bindings(node)
        elif _is_own(node) and (owner := self.enclosing_class(node)) is not None:
            found = self.attributes(owner, node.attr)
        else:
            return [node] if isinstance(node, ast.expr) else []
        looped = [part for each in found if each.how == "each" for part in getattr(each.node, "elts", [])]
        return looped + [each.node for each in found if each.how == "is" and isinstance(each.node, ast.expr)]

    def text(self, node: ast.AST | None) -> str | None:
        """Return an expression's literal text, the first of several possible ones, or None."""
        return next(iter(self.texts(node)), None)

    def texts(self, node: ast.AST | None) -> list[str]:
        """Return every literal text that an expression may have.

        Read through are f-strings (unknown parts become {}), +, %, .format, names, loops over literals,
        tables of texts, and constants of other modules.
        """
        return self._texts(node, 0)[:_MOST_TEXTS]

    def global_texts(self, name: str) -> list[str]:
        """Return the texts of a name of the module's own level."""
        if name in self._asked:
            return []
        self._asked.add(name)
        try:
            return self._bound_texts(self.globals(name), 0)
        finally:
            self._asked.discard(name)

    def _texts(self, node: ast.AST | None, depth: int) -> list[str]:
        if depth > _DEEPEST or node is None:
            return []
        depth += 1
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr(values=pieces):
                return _joined([self._texts(piece, depth) or [_hole(piece)] for piece in pieces])
            case ast.FormattedValue(value=value):
                return self._texts(value, depth)
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                sides = [self._texts(left, depth), self._texts(right, depth)]
                return _joined([side or ["{}"] for side in sides]) if any(sides) else []
            case ast.BinOp(op=ast.Mod(), left=left, right=right):
                given = right.elts if isinstance(right, ast.Tuple) else [right]
                return self._filled(left, given, depth)
            case ast.IfExp(body=first, orelse=second):
                return [*self._texts(first, depth), *self._texts(second, depth)]
            case ast.BoolOp(values=values):
                return [text for value in values for text in self._texts(value, depth)]
            case ast.Call():
                return self._of_call(node, depth)
            case ast.Subscript(value=table):
                return [text for value in self.values(table) for text in self._elements(value, depth, of_table=True)]
            case ast.Name():
                return self._of_name(node, depth)
            case ast.Attribute():
                return self._of_attribute(node, depth)
        return []

    def _of_call(self, call: ast.Call, depth: int) -> list[str]:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if isinstance(call.func, ast.Attribute) and name in ("strip", "lower"):
            return self._texts(call.func.value, depth)
        if isinstance(call.func, ast.Attribute) and name == "format":
            named = {each.arg: each.value for each in call.keywords if each.arg}
            return self._filled(call.func.value, call.args, depth, named)
        if isinstance(call.func, ast.Attribute) and name == "join" and call.args:
            parts = getattr(call.args[0], "elts", [])
            return [" ".join((self._texts(each, depth) or ["{}"])[0] for each in parts)]
        if isinstance(call.func, ast.Attribute) and name == "get" and call.args:
            return self._texts(ast.Subscript(call.func.value, call.args[0], ast.Load()), depth)
        return self._texts(call.args[0], depth) if name in _KEEPING and call.args else []

    def _of_name(self, name: ast.Name, depth: int) -> list[str]:
        found = self.bindings(name)
        origin = next((binding.dotted for binding in found if binding.how == "import"), None)
        return list(self._elsewhere(origin)) if origin else self._bound_texts(found, depth)

    def _of_attribute(self, node: ast.Attribute, depth: int) -> list[str]:
        if _is_own(node):
            owner = self.enclosing_class(node)
            return self._bound_texts(self.attributes(owner, node.attr), depth) if owner else []
        return list(self._elsewhere(dotted)) if (dotted := self.dotted(node)) else []

    def _bound_texts(self, bindings: list[Binding], depth: int) -> list[str]:
        texts: list[str] = []
        for binding in bindings:
            if binding.how == "is":
                texts += self._texts(binding.node, depth)
            elif binding.how == "each":
                texts += [text for value in self.values(binding.node) for text in self._elements(value, depth)]
        grown = [text for binding in bindings if binding.how == "grows" for text in self._texts(binding.node, depth)]
        return [f"{text} {' '.join(grown)}" for text in texts] if grown else texts

    def _elements(self, node: ast.expr, depth: int, *, of_table: bool = False) -> list[str]:
        of_dict = "values" if of_table else "keys"
        parts = getattr(node, of_dict if isinstance(node, ast.Dict) else "elts", [])
        return [text for part in parts for text in self._texts(part, depth)]

    def _filled(
        self, template: ast.expr, given: Sequence[ast.expr], depth: int, named: Mapping[str, ast.expr] | None = None
    ) -> list[str]:
        fillings = [(self._texts(each, depth) or ["{}"])[0] for each in given]
        by_name = {name: (self._texts(each, depth) or ["{}"])[0] for name, each in (named or {}).items()}
        filled = []
        for text in self._texts(template, depth):
            left = iter(fillings)
            # Each pass consumes its own iterator.
            filled.append(_HOLE.sub(lambda hole, left=left: by_name.get(hole[0][1:-1]) or next(left, "{}"), text))  # type: ignore[misc]
        return filled


def _is_own(node: ast.AST | None) -> TypeGuard[ast.Attribute]:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


def _hole(piece: ast.expr) -> str:
    return piece.value if isinstance(piece, ast.Constant) and isinstance(piece.value, str) else "{}"


def _joined(pieces: list[list[str]]) -> list[str]:
    texts = [""]
    for piece in pieces:
        texts = [text + each for text in texts for each in piece][:_MOST_TEXTS]
    return texts


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """Return the value of a call's keyword, or None."""
    return next((one.value for one in call.keywords if one.arg == name), None)


def argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    """Return a call's argument by position or keyword, or None."""
    if len(call.args) > position and not isinstance(call.args[position], ast.Starred):
        return call.args[position]
    return keyword(call, name)
