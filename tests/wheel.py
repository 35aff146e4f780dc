"""The library's wheel, built from this checkout as a release is, and a Python that has it and nothing of the shop."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from deploy.local.house import ROOT

LIBRARY = ROOT / "platform"


def build_wheel(folder: Path) -> Path:
    """Build the wheel into a folder and return it."""
    # hatchling comes with the pins (the library is installed editable), so nothing is downloaded.
    _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], LIBRARY)
    (found,) = folder.glob("fissile-*.whl")
    return found


def python_with(wheel: Path, folder: Path) -> Path:
    """Return the Python of a new environment with the wheel, and with what it depends on from ours; no network."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    _run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)], folder
    )
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    # A path in a .pth is not searched for further .pth files, so our editable library does not come along.
    (packages / "pins.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return python


def _run(command: list[str], cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
