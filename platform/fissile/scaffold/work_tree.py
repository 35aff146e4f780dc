"""Asks git which files are only here. May touch: the git program, read only."""

from __future__ import annotations

import subprocess
from pathlib import Path


def unsaved(root: Path, folder: str) -> set[str] | None:
    """Return the files below a folder that the last commit does not hold as they are; None outside of a work tree.

    Paths are relative to the root. Ignored files count: no commit holds them.
    """
    if _git(root, "rev-parse", "--verify", "--quiet", "HEAD") is None:
        return None
    prefix = (_git(root, "rev-parse", "--show-prefix") or "").rstrip("\n")
    said = _git(root, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--ignored", "--", folder)
    if said is None:
        return None
    # A line is two letters, a blank and the path below the work tree's root; an ignored folder is one line.
    found = {line[3:].removeprefix(prefix) for line in said.split("\0") if line}
    whole = tuple(path for path in found if path.endswith("/"))
    inside = (path.relative_to(root).as_posix() for path in (root / folder).rglob("*") if path.is_file())
    return {path for path in inside if path in found or path.startswith(whole or ("\0",))}


def _git(root: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
