"""The lines of a template that are rendered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_TEXT = (".html", ".txt", ".xml", ".jinja", ".j2", ".mjml")
_COMMENT = re.compile(r"\{#.*?#\}|\{%-?\s*comment\b.*?%\}.*?\{%-?\s*endcomment\s*-?%\}", re.DOTALL)


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (number, line) of a text template, comments blanked; nothing for other files."""
    if path.suffix not in _TEXT:
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    # As many lines as before.
    text = _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), text)
    yield from enumerate(text.splitlines(), start=1)
