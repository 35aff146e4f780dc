"""Install missing servers with apt, as root on Debian or Ubuntu, without starting anything on a standard port.

May touch: apt; a policy-rc.d and a postgresql-common drop-in of its own, both removed afterwards.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from .instance import ServicesError

_POLICY = Path("/usr/sbin/policy-rc.d")
_CLUSTER = Path("/etc/postgresql-common/createcluster.d/fissile.conf")
_OPTIONS = (
    "-qq", "-y", "--no-install-recommends",
    # Another apt may be at work; without this a second one fails at once.
    "-o", "DPkg::Lock::Timeout=300",
    "-o", "Acquire::Retries=3",
    "-o", "Dpkg::Options::=--force-confold",
)  # fmt: skip


def can_install() -> bool:
    """Return whether apt may be used here."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: Sequence[str]) -> None:
    """Install packages; raise ServicesError with apt's last words."""
    print(f"installing {' and '.join(packages)} with apt (about half a minute)", flush=True)
    with _nothing_starts():
        said = _apt("install", *packages)
        if said is not None:
            # A fresh image has no package lists, or stale ones.
            _apt("update")
            said = _apt("install", *packages)
    if said is not None:
        raise ServicesError(f"apt could not install {' '.join(packages)}:\n  {said}")


def _apt(*arguments: str) -> str | None:
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    ran = subprocess.run(
        ["apt-get", *_OPTIONS, *arguments],
        env=quiet,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return None if ran.returncode == 0 else "\n  ".join(ran.stdout.splitlines()[-6:])


@contextlib.contextmanager
def _nothing_starts() -> Iterator[None]:
    made = []
    try:
        if not _POLICY.exists():
            _POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
            _POLICY.chmod(0o755)
            made.append(_POLICY)
        if not _CLUSTER.exists():
            _CLUSTER.parent.mkdir(parents=True, exist_ok=True)
            _CLUSTER.write_text("create_main_cluster = false\n", encoding="ascii")
            made.append(_CLUSTER)
        yield
    finally:
        for path in made:
            path.unlink(missing_ok=True)
