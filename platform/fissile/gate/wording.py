"""How the gate says places, numbers and mistyped names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path


def place(path: Path) -> str:
    """Return a path as a person at this prompt would type it."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()


def tally(count: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a sentence with the nearest known word, or with all of them if none is near."""
    names = sorted(known)
    found = get_close_matches(word, names, n=1)
    return f"did you mean {found[0]}?" if found else f"known are {', '.join(names) or 'none'}"


def table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return a table as lines; columns as wide as their widest cell."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
