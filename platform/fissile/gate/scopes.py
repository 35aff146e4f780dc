"""Which assignment, loop, parameter or import a name in a source file may get its value from."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_SCOPES = (*_FUNCTIONS, ast.ClassDef, ast.Module)


@dataclass(frozen=True)
class Binding:
    """One way a name gets its value.

    `how`: is (the value of `node`), each (an element of it), item (its `position`-th), grows (appended to what it
    was), parameter (`node` is the ast.arg), import (`dotted` is its origin), class or function (`node` defines it).
    """

    how: str
    node: ast.AST
    position: int = 0
    dotted: str = ""


class Scopes:
    """The bindings of one file, by the function, class or module that they stand in."""

    def __init__(self, module: str, nodes: Sequence[ast.AST], *, is_package: bool) -> None:
        self.module, self._nodes, self._is_package = module, nodes, is_package
        self._seen: dict[ast.Name, list[Binding]] = {}

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """Node → the node it is part of."""
        return {child: node for node in self._nodes for child in ast.iter_child_nodes(node)}

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield what a node is part of, from the inside."""
        while (node := self.parents.get(node)) is not None:  # type: ignore[assignment]
            yield node

    def enclosing_class(self, node: ast.AST) -> ast.ClassDef | None:
        """Return the innermost class that a node stands in, or None."""
        return next((each for each in self.ancestors(node) if isinstance(each, ast.ClassDef)), None)

    def enclosing_function(self, node: ast.AST) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """Return the innermost function with a name that a node stands in, or None."""
        return next((e for e in self.ancestors(node) if isinstance(e, ast.FunctionDef | ast.AsyncFunctionDef)), None)

    def bindings(self, name: ast.Name) -> list[Binding]:
        """Return what the innermost scope that knows a name binds it to; [] for builtins and what is unknown."""
        if name not in self._seen:
            scopes = self._visible(name) if name.id in self._bound_names else ()
            self._seen[name] = next((found for each in scopes if (found := self._bound.get((each, name.id)))), [])
        return self._seen[name]

    def attributes(self, owner: ast.ClassDef, name: str) -> list[Binding]:
        """Return what a class's body, or `self.<name> = …` in its methods, binds an attribute to."""
        return self._bound.get((owner, name), [])

    def globals(self, name: str) -> list[Binding]:
        """Return what the module's own level binds a name to."""
        return self._bound.get((self._nodes[0], name), []) if self._nodes else []

    def origin(self, node: ast.ImportFrom) -> str:
        """Return the dotted module a `from … import` reads, relative dots resolved."""
        if not node.level:
            return node.module or ""
        parts = self.module.split(".")
        drop = node.level - (1 if self._is_package else 0)
        kept = parts[: len(parts) - drop] if drop else parts
        return ".".join([*kept, *(node.module or "").split(".")]).strip(".")

    def _visible(self, node: ast.AST) -> Iterator[ast.AST]:
        # Decorators, defaults and annotations are read outside of the function they belong to.
        inner, is_first = node, True
        for outer in self.ancestors(node):
            if isinstance(outer, _FUNCTIONS):
                body = outer.body if isinstance(outer.body, list) else [outer.body]
                if any(inner is each for each in body):
                    yield outer
                    is_first = False
            elif isinstance(outer, ast.Module) or (isinstance(outer, ast.ClassDef) and is_first):
                # A method does not see the names of its class.
                yield outer
            inner = outer

    @cached_property
    def _bound(self) -> dict[tuple[ast.AST, str], list[Binding]]:
        found: dict[tuple[ast.AST, str], list[Binding]] = defaultdict(list)
        for node in self._nodes:
            for target, binding in self._made_by(node):
                if isinstance(target, str):
                    found[self._scope(node), target].append(binding)
                else:
                    self._bind(found, self._scope(node), target, binding)
        return dict(found)

    @cached_property
    def _bound_names(self) -> frozenset[str]:
        return frozenset(name for _, name in self._bound)

    def _scope(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.arg):
            return self.parents[self.parents[node]]
        return next(each for each in self.ancestors(node) if isinstance(each, _SCOPES))

    def _bind(
        self, found: dict[tuple[ast.AST, str], list[Binding]], scope: ast.AST, target: ast.expr, binding: Binding
    ) -> None:
        if isinstance(target, ast.Name):
            found[scope, target.id].append(binding)
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
            if (owner := self.enclosing_class(target)) is not None:
                found[owner, target.attr].append(binding)
        elif isinstance(target, ast.Tuple | ast.List):
            for position, each in enumerate(target.elts):
                how = "item" if binding.how == "is" else "unknown"
                self._bind(found, scope, each, Binding(how, binding.node, position))

    def _made_by(self, node: ast.AST) -> Iterator[tuple[ast.expr | str, Binding]]:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield target, Binding("is", node.value)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
            if node.value is not None:
                yield node.target, Binding("is", node.value)
        elif isinstance(node, ast.AugAssign):
            yield node.target, Binding("grows", node.value)
        elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            yield node.target, Binding("each", node.iter)
        elif isinstance(node, ast.arg):
            yield node.arg, Binding("parameter", node)
        elif isinstance(node, ast.ClassDef):
            yield node.name, Binding("class", node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, Binding("function", node)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                yield alias.asname or first, Binding("import", node, dotted=alias.name if alias.asname else first)
        elif isinstance(node, ast.ImportFrom):
            base = self.origin(node)
            for alias in node.names:
                yield alias.asname or alias.name, Binding("import", node, dotted=f"{base}.{alias.name}")
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            yield node.optional_vars, Binding("unknown", node)
