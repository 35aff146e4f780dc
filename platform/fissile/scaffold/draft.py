"""A draft of changes to a source tree: planned as text, shown as a diff, written at the end or not at all.

May touch: files below its root. A file that is there already is never overwritten, only inserted into.
"""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .errors import NoSuchPart

CREATED, CHANGED, UNCHANGED, KEPT, REMOVED = "created", "changed", "unchanged", "kept", "removed"


@dataclass
class Draft:
    """What the tree shall become. Paths are relative to the root, with slashes."""

    root: Path
    # In the order in which they are written: what makes a thing known comes after the thing.
    _planned: dict[str, str | None] = field(default_factory=dict)
    _kept: list[str] = field(default_factory=list)
    _folders: list[str] = field(default_factory=list)

    def exists(self, path: str) -> bool:
        """True if the file is there, or will be."""
        return self._planned[path] is not None if path in self._planned else (self.root / path).is_file()

    def read(self, path: str) -> str:
        """Return a file as it will be; raise NoSuchPart."""
        planned = self._planned.get(path)
        if planned is not None:
            return planned
        if not (self.root / path).is_file():
            raise NoSuchPart(f"{path} is not there.", where=str(self.root), fix=f"write {path} first")
        return (self.root / path).read_text(encoding="utf-8")

    def create(self, path: str, text: str) -> None:
        """Plan a new file; one that is there with another text is kept as it is."""
        if self.exists(path) and self.read(path) != text:
            self._kept.append(path)
        else:
            self._planned[path] = text

    def put(self, path: str, text: str) -> None:
        """Plan a file's new text, which holds all of the old one."""
        self._planned[path] = text

    def edit(self, path: str, change: Callable[[str], str]) -> None:
        """Plan a change of an existing file; `change` gets its text and returns the new one."""
        self._planned[path] = change(self.read(path))

    def remove_folder(self, path: str) -> None:
        """Plan to remove a folder with everything in it."""
        for inside in self.files_of(path):
            self._planned[inside] = None
        self._folders.append(path)

    def files_of(self, folder: str) -> list[str]:
        """Return the files below a folder, without what Python leaves behind, sorted."""
        found = (path for path in (self.root / folder).rglob("*") if path.is_file())
        return sorted(p.relative_to(self.root).as_posix() for p in found if "__pycache__" not in p.parts)

    def statuses(self) -> dict[str, str]:
        """Return what happens to every file named so far, new and kept ones first, each group by path."""
        found = {path: self._status(path, text) for path, text in self._planned.items()}
        found |= dict.fromkeys(self._kept, KEPT)
        return dict(sorted(found.items(), key=lambda row: (row[1] == CHANGED, row[0])))

    def diff(self) -> str:
        """Return the changes as one unified diff, in the order of the paths; empty if there are none."""
        lines: list[str] = []
        for path, text in sorted(self._planned.items()):
            before = self._before(path)
            lines += difflib.unified_diff(
                (before or "").splitlines(keepends=True),
                (text or "").splitlines(keepends=True),
                "/dev/null" if before is None else f"a/{path}",
                "/dev/null" if text is None else f"b/{path}",
            )
            if before is None and text == "":
                lines.append(f"--- /dev/null\n+++ b/{path}\n")
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)

    def write(self) -> None:
        """Do it: files in the order they were planned, folders last."""
        for path, text in self._planned.items():
            target = self.root / path
            if text is not None and self._before(path) != text:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
            elif text is None:
                target.unlink(missing_ok=True)
        for folder in self._folders:
            shutil.rmtree(self.root / folder, ignore_errors=True)

    def _before(self, path: str) -> str | None:
        target = self.root / path
        # A folder that goes may hold what is no text; a diff shows it as well as it can.
        return target.read_text(encoding="utf-8", errors="replace") if target.is_file() else None

    def _status(self, path: str, text: str | None) -> str:
        before = self._before(path)
        if text is None:
            return REMOVED
        if before is None:
            return CREATED
        return UNCHANGED if before == text else CHANGED
