"""The first command on a new machine: what it says when the machine lacks something."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.house import ROOT

BOOTSTRAP = ROOT / "deploy" / "local" / "bootstrap.py"


def old_python():
    """Return a Python 3 below 3.11 that this machine happens to have."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    # A version manager keeps them beside each other; its shims on PATH may refuse to run.
    folders += sorted(Path(sys.base_prefix).parent.glob("*/bin"))
    for folder in folders:
        for minor in range(10, 4, -1):
            found = folder / f"python3.{minor}"
            if found.exists() and runs(str(found)):
                return str(found)
    return None


def runs(*command):
    """Return whether an interpreter runs at all; a version manager's shim may not."""
    return subprocess.run([*command, "-c", ""], capture_output=True, check=False).returncode == 0


@pytest.fixture
def checkout(tmp_path):
    """A copy of what bootstrap reads, where no .venv is yet."""
    for name in ("requirements.txt", "requirements-dev.txt", "platform/pyproject.toml", "deploy/local/bootstrap.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def bootstrap(checkout, *, python=sys.executable, path="/nonexistent", **variables):
    """Run bootstrap.py of a checkout with nothing else on PATH."""
    return subprocess.run(
        [python, str(checkout / "deploy" / "local" / "bootstrap.py"), "run"],
        env={"PATH": path, "HOME": str(checkout), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(old_python() is None, reason="no Python older than 3.11 on this machine")
def test_a_too_old_python_is_one_sentence_with_the_fix(checkout):
    refused = bootstrap(checkout, python=old_python())

    assert refused.returncode == 1
    assert re.match(r"Python 3\.\d+ at \S+ is too old: Fissile needs 3\.11 or newer", refused.stderr)
    assert "Fix: install one" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not (checkout / ".venv").exists()


@pytest.mark.house
@pytest.mark.skipif(old_python() is None, reason="no Python older than 3.11 on this machine")
def test_an_old_python_hands_over_to_a_newer_one_on_the_path(checkout):
    (checkout / "bin").mkdir()
    (checkout / "bin" / "python3.11").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    (checkout / "bin" / "python3.14").write_text("#!/bin/sh\nexit 127\n")
    (checkout / "bin" / "python3.14").chmod(0o755)

    went_on = bootstrap(checkout, python=old_python(), path=str(checkout / "bin"), PIP_NO_INDEX="1")

    assert f"making .venv with {checkout}/bin/python3.11" in went_on.stdout


def test_a_python_without_the_venv_module_is_one_sentence_with_the_package():
    without_module = runpy.run_path(str(BOOTSTRAP))["without_module"]

    said = without_module((3, 11), "ensurepip", "/usr/bin/python3")

    assert said.startswith("Python 3.11 at /usr/bin/python3 has no module 'ensurepip'")
    assert "Fix: apt install python3.11-venv" in said


def test_a_missing_module_is_found_by_asking_the_interpreter(tmp_path):
    ask = runpy.run_path(str(BOOTSTRAP))["ask"]
    crippled = tmp_path / "python3"
    crippled.write_text(f"#!/bin/sh\nshift\nexec {sys.executable} -c \"import sys; sys.modules['venv'] = None\n$1\"\n")
    crippled.chmod(0o755)

    assert ask(sys.executable) == (sys.version_info[:2], "")
    assert ask(str(crippled)) == (sys.version_info[:2], "venv")
    assert ask("/nonexistent/python3") is None


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root can write everywhere")
def test_an_unwritable_folder_is_one_sentence_with_the_fix(checkout):
    checkout.chmod(0o555)
    for parent in checkout.parents[:-2]:
        parent.chmod(parent.stat().st_mode | 0o555)
    dropped, python = [], sys.executable
    if os.geteuid() == 0:
        dropped = [shutil.which("setpriv"), "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        python = python if runs(*dropped, python) else shutil.which("python3", path="/usr/local/bin:/usr/bin")
        if python is None or not runs(*dropped, python):
            pytest.skip("no Python that an ordinary user may run")
    script = [python, str(checkout / "deploy" / "local" / "bootstrap.py"), "run"]

    refused = subprocess.run([*dropped, *script], env={"PATH": ""}, capture_output=True, text=True, check=False)
    checkout.chmod(0o755)

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"The folder {checkout} cannot be written (Permission denied)")
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.house
def test_an_offline_machine_is_told_how_to_go_on(checkout):
    refused = bootstrap(checkout, path="/usr/bin:/bin", PIP_NO_INDEX="1")

    assert refused.returncode == 1
    assert refused.stderr.startswith(
        "The pinned packages could not be installed. Fix: go online, or point PIP_INDEX_URL"
    )
    assert "WARNING" not in refused.stderr + refused.stdout


def test_a_finished_environment_is_recognised_by_its_pins(checkout):
    known = runpy.run_path(str(checkout / "deploy" / "local" / "bootstrap.py"))
    venv = checkout / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").write_text("")

    assert not known["is_ready"](str(venv), "run")
    (venv / "fissile-stamp.json").write_text(json.dumps({"dev": known["pins_digest"]("dev")}))
    assert known["is_ready"](str(venv), "run")
    assert known["is_ready"](str(venv), "dev")
    with (checkout / "requirements.txt").open("a") as pins:
        pins.write("another==1\n")
    assert not known["is_ready"](str(venv), "run")
