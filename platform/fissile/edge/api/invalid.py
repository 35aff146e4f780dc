"""From a serializer's nested complaints to a flat list with JSON Pointers (RFC 6901)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# Enough to mend a form; a body of ten thousand wrong fields gets no novel back.
MOST_ERRORS = 20
LONGEST_POINTER = 200


def errors_in(detail: Any, member: str = "pointer") -> list[dict[str, str]]:
    """Return [{pointer, code, detail}], at most MOST_ERRORS of them.

    With `member="parameter"` the place is a query parameter's name instead.
    """
    found: list[dict[str, str]] = []
    for path, error in _walk(detail, ()):
        if len(found) == MOST_ERRORS:
            break
        place = "".join(f"/{_escaped(step)}" for step in path) if member == "pointer" else ".".join(path[:1])
        found.append({member: place[:LONGEST_POINTER], "code": str(error.code), "detail": str(error)})
    return found


def _walk(detail: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(detail, dict):
        for name, inner in detail.items():
            here = path if name == "non_field_errors" else (*path, str(name))
            yield from _walk(inner, here)
    elif isinstance(detail, list):
        for place, inner in enumerate(detail):
            # A list of dicts or lists is per item; a list of errors is about this very place.
            yield from _walk(inner, (*path, str(place)) if isinstance(inner, (dict, list)) else path)
    else:
        yield path, detail


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")
