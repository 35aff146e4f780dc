"""A copy of the shop in which scaffolds are tried: the commands, the tools and the tests as a user runs them.

May touch: a folder of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.house import ROOT

_NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".venv", ".run", "__pycache__", "*.pyc", ".*_cache", "*.egg-info", "node_modules", ".hypothesis", "dist"
)
_OWN = ("PYTHONPATH", "DJANGO_SETTINGS_MODULE", "ROLE", "TOPOLOGY", "TIER", "STATE_DIR", "SERVICES_DIR", "DEBUG")


@dataclass(frozen=True)
class Project:
    """A source tree with its own code first on the path."""

    root: Path

    @classmethod
    def copied(cls, to: Path) -> Project:
        """Copy the shop, tests and all."""
        shutil.copytree(ROOT, to, ignore=_NOT_SOURCE)
        return cls(to)

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `python …` in the tree; with `check`, its failure is the test's."""
        # A test's own settings and stores are no part of what a user has.
        inherited = {name: value for name, value in os.environ.items() if name not in _OWN}
        ours = {"PYTHONPATH": f"{self.root / 'platform'}:{self.root}", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, *words], cwd=self.root, env=inherited | ours, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
        return done

    def manage(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `manage.py …`."""
        return self.run("manage.py", *words, check=check)

    def tool(self, name: str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program that is installed beside this Python."""
        program = str(Path(sys.executable).parent / name)
        return self.run("-c", "import os, sys; os.execv(sys.argv[1], sys.argv[1:])", program, *words, check=check)

    def files(self) -> dict[str, bytes]:
        """Return every file by its path, without what Python, tools and running processes leave."""
        found = (path for path in self.root.rglob("*") if path.is_file())
        kept = (path for path in found if not set(path.relative_to(self.root).parts) & {".git", ".run", "__pycache__"})
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in kept}

    def begin_history(self) -> None:
        """Make it a git work tree with one commit."""
        self._git("init", "-q")
        self.commit()

    def commit(self) -> None:
        """Commit everything."""
        self._git("add", "-A")
        self._git("-c", "user.name=Rosa", "-c", "user.email=rosa@example.com", "commit", "-q", "-m", "as it stands")

    def _git(self, *words: str) -> None:
        subprocess.run(["git", "-C", str(self.root), *words], check=True, capture_output=True)
