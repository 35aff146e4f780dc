"""Results of long runs as files: the pages drawn from them, and which source they are about.

May touch: a page under docs/reference, and the folder of results beside it. The same files give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.house import ROOT


def draw(page: Path, folder: Path, text: Callable[[], str], *, about: str | None) -> int:
    """Write the page, or print it and return 1 if it is not the present one; `--take` files results first."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--take", type=Path, help="file the results of this folder first")
    asked = parser.parse_args()
    if asked.take:
        folder.mkdir(exist_ok=True)
        for file in sorted(asked.take.glob("*.json")):
            shutil.copyfile(file, folder / file.name)
    drawn = text()
    if asked.write:
        page.write_text(drawn, encoding="utf-8")
        return 0
    print(drawn, end="")
    return int(not page.exists() or page.read_text(encoding="utf-8") != drawn)


def line(cells: Iterable[Any]) -> str:
    """Return one line of a Markdown table."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def fingerprint_of(files: Iterable[Path]) -> str:
    """Return a short hash of files of this repository, names and contents."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]
