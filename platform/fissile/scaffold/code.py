"""Python as the formatter leaves it: brackets that fit on a line or are opened up. May touch: nothing."""

from __future__ import annotations

from collections.abc import Sequence

from .imports import LONGEST_LINE


def fitted(start: str, parts: Sequence[str], end: str, *, indent: int = 0, is_literal: bool = False) -> str:
    """Return `start`, parts with commas, `end` on one line; else the parts below, on one line or one each.

    A literal is never left on one line below: the formatter opens it up at once.
    """
    margin, inner = " " * indent, " " * (indent + 4)
    one = f"{margin}{start}{', '.join(parts)}{end}"
    if len(one) <= LONGEST_LINE or not parts:
        return one
    below = f"{inner}{', '.join(parts)}"
    if len(below) <= LONGEST_LINE and not is_literal:
        return f"{margin}{start}\n{below}\n{margin}{end}"
    return "\n".join([f"{margin}{start}", *(f"{inner}{part}," for part in parts), f"{margin}{end}"])


def import_lines(imports: set[str]) -> str:
    """Return imports in their order, a line each."""
    return "".join(f"{line}\n" for line in sorted(imports))


def opened(managers: Sequence[str], *, indent: int = 4) -> str:
    """Return a `with` of these managers, on one line or in brackets with one each."""
    margin, inner = " " * indent, " " * (indent + 4)
    one = f"{margin}with {', '.join(managers)}:"
    if len(one) <= LONGEST_LINE:
        return one
    return "\n".join([f"{margin}with (", *(f"{inner}{manager}," for manager in managers), f"{margin}):"])
