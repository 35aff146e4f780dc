"""The blocks of code of a page, each with its language and its place. Reads only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOWTO = ROOT / "docs" / "howto"
_FILE = re.compile(r"^`([\w/]+\.py)`(?:[^\n]+\n)*\n*```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One block of code; `line` is its first one in the page."""

    page: Path
    line: int
    language: str
    source: str

    def run(self) -> dict[str, object]:
        """Run the block as a module of its own and return what it defines; errors name page and line."""
        code = compile("\n" * (self.line - 1) + self.source, str(self.page), "exec")
        names: dict[str, object] = {"__name__": f"example_of_{self.page.stem.replace('-', '_')}_{self.line}"}
        exec(code, names)  # noqa: S102 - our own pages
        return names


def files_of(page: Path) -> dict[str, str]:
    """Return the files that a page shows: Python under a paragraph that begins with its path."""
    return dict(_FILE.findall(page.read_text(encoding="utf-8")))


def blocks_of(page: Path) -> list[Block]:
    """Return a page's fenced blocks in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start(2)) + 1, found.group(1), found.group(2))
        for found in _BLOCK.finditer(text)
    ]
