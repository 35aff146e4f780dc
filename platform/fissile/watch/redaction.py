"""What must never be written down: secrets by name and by shape. Used for log lines and spans. No Django."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

HIDDEN = "[redacted]"
# Names whose values are secrets. `key` only as the last word, or alone: private_key, api-key.
_SECRET_NAME = re.compile(
    r"authorization|passw(or)?d|secret|token|cookie|credential|csrf|session_?id|(^|[._-])(api)?key$", re.IGNORECASE
)
# Secrets inside prose, tracebacks and addresses, whatever the name beside them.
_SECRET_SHAPES = (
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), HIDDEN),
    (re.compile(r"(://[^:/@\s]*):[^/@\s]+@"), rf"\1:{HIDDEN}@"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL), HIDDEN),
    (
        re.compile(
            r"""(["']?\b[\w-]*(?:passw(?:or)?d|secret|token|authorization|api[_-]?key|private[_-]?key)\b["']?\s*[=:]\s*)"""
            r"""(?!\[redacted\])("[^"]*"|'[^']*'|[^\s,;&)}\]]+)""",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
)
# One look decides whether the five above need to look: most values of most lines have none of these.
_MAY_HOLD_SECRET = re.compile(
    r"bearer|basic|eyJ|://|PRIVATE|passw|secret|token|authorization|api[_-]?key", re.IGNORECASE
)
# Longer text is cut: one runaway body must not fill the disk.
LONGEST_TEXT = 16_384
_DEEPEST = 6


@lru_cache(maxsize=1024)
def is_secret(name: str) -> bool:
    """True if a value under this name must not be written."""
    return _SECRET_NAME.search(name) is not None


def redact_text(text: str) -> str:
    """Return the text without secrets it shows by their shape, cut to LONGEST_TEXT characters."""
    cut = text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}… [{len(text)} characters]"
    if _MAY_HOLD_SECRET.search(cut) is None:
        return cut
    for shape, replacement in _SECRET_SHAPES:
        cut = shape.sub(replacement, cut)
    return cut


def redact(value: Any, depth: int = 0) -> Any:
    """Return a copy of a JSON-like value with secrets hidden by name and by shape."""
    if isinstance(value, str):
        return redact_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth >= _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {
            str(name): HIDDEN if is_secret(str(name)) and inner is not None else redact(inner, depth + 1)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(inner, depth + 1) for inner in value]
    return redact_text(str(value))
