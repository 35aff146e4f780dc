"""PostgreSQL and RabbitMQ of one long run, apart from those of the shop and of the tests.

May touch: the instance in the folder it is given.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .house import ROOT


def services(word: str, where: Path, base: str, *options: str) -> int:
    """Run a command of the services on the instance in `where`; return its exit code. `base`: port of a new one."""
    made = (where / "credentials.json").exists()
    command = [sys.executable, "-m", "deploy.local.services", word, "--dir", str(where)]
    return subprocess.run([*command, *([] if made else ["--base", base]), *options], cwd=ROOT, check=False).returncode


def run_with(where: Path, command: list[str]) -> int:
    """Run `python …` in the repository against these servers; return its exit code."""
    environment = os.environ | {"SERVICES_DIR": str(where)}
    return subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, check=False).returncode
