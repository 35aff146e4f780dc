"""`make check`: every static question at once, two at a time, the answers in a fixed order.

May touch: nothing but the tools' caches. A tool's output is shown only when it has something against us.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from settings.contexts import CONTEXTS

from .house import ROOT

BIN = Path(sys.executable).parent
# Of each complaint: one cause that breaks every check must not fill a screen for each.
MOST_LINES = 40
# What mypy holds to --strict: all that runs in production.
STRICT = ("platform/fissile", "apps", "bff_app", "gateway_app", "settings")


def questions(state: Path) -> list[tuple[str, list[str], dict[str, str]]]:
    """Return (name, command, environment) of every check, the longest first."""
    python = sys.executable
    manage = [python, "manage.py"]
    local = {"STATE_DIR": str(state), "DEBUG": "true"}
    asked = [
        ("mypy --strict", [str(BIN / "mypy"), *STRICT], local),
        ("ruff check", [str(BIN / "ruff"), "check", "--quiet", "--output-format=concise"], {}),
        ("import rules", [str(BIN / "lint-imports"), "--no-logo"], {}),
        ("missing migrations", [*manage, "makemigrations", "--check", "--dry-run"], local),
    ]
    for role in ("all", *CONTEXTS):
        far = " ".join(f"{name}=http://127.0.0.1:{row['port']}" for name, row in CONTEXTS.items() if name != role)
        variables = local | {"ROLE": role, "TOPOLOGY": "" if role == "all" else far}
        asked.append((f"manage.py check, {role}", [*manage, "check", "--fail-level", "WARNING"], variables))
    return asked


def ask(question: tuple[str, list[str], dict[str, str]]) -> tuple[str, float, int, str]:
    """Run one check; return its name, seconds, exit code and output."""
    name, command, variables = question
    began = time.monotonic()
    ran = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return name, time.monotonic() - began, ran.returncode, ran.stdout


def main() -> int:
    """Run them all; exit 0 when none objects."""
    began, failed = time.monotonic(), []
    with tempfile.TemporaryDirectory() as state, ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        for name, seconds, code, output in pool.map(ask, questions(Path(state))):
            print(f"{'✘' if code else '✔'} {name:24} {seconds:5.1f} s", flush=True)
            if code:
                failed.append(name)
                said = output.rstrip().splitlines()[-MOST_LINES:]
                print("\n".join(said) or f"  exit code {code}, nothing said", flush=True)
    total = time.monotonic() - began
    print(f"check: {'failed: ' + ', '.join(failed) if failed else 'all good'} ({total:.0f} s)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
