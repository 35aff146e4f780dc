"""What the gate says: a rule with a stable id, and a finding at one line."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .project import SourceFile


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One kind of tie between contexts. `id` never changes its meaning.

    `is_blocker`: the context cannot leave while it stands; else it is advice.
    `is_advice_undeclared`: only advice in a project whose apps declare nothing.
    """

    id: str
    title: str
    why: str
    fix: str
    is_blocker: bool = True
    is_advice_undeclared: bool = False

    def at(self, file: SourceFile, node: ast.AST | int, what: str, *, other: str = "") -> Finding:
        """Return the finding of this rule at a node's first line."""
        line = node if isinstance(node, int) else getattr(node, "lineno", 1)
        return Finding(path=file.path, line=line, rule_id=self.id, context=file.context, other=other, what=what)


@dataclass(frozen=True, kw_only=True, order=True)
class Finding:
    """One place that breaks a rule.

    `context` is the one that reaches out, `other` the one reached for ("" if the
    rule knows none), `what` one sentence with the names of both things.
    """

    path: Path
    line: int
    rule_id: str
    context: str
    other: str
    what: str
