"""Instances of the private services that a test makes for itself, starts and stops."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from deploy.local.house import HOST, ROOT
from deploy.local.services.instance import Instance


def new_instance(folder: Path) -> Instance:
    """Return an instance that was never started, on ports of its own."""
    return Instance(folder=folder, base=free_base())


def free_base() -> int:
    """Return a base whose ports are free now; below those that connections are given, above those of houses."""
    for base in range(32000, 32600, 100):
        with socket.socket() as probe:
            if probe.connect_ex((HOST, base + 32)) and probe.connect_ex((HOST, base + 72)):
                return base
    raise AssertionError("no free ports")


def services(word: str, instance: Instance) -> None:
    """Run a command of the services on an instance."""
    command = [sys.executable, "-m", "deploy.local.services", word, "--dir", str(instance.folder)]
    subprocess.run([*command, "--base", str(instance.base)], cwd=ROOT, check=True, capture_output=True)
