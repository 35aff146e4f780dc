"""Loads the machines under test from their real source: with small limits, and patched if a mutant asks for it.

May touch: source files, to read them; `sys.modules`, to add the copies.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from types import ModuleType

import fissile

EVENTS = Path(fissile.__file__).parent / "events"
HERE = Path(__file__).parent
# The source is what ships; only sizes are smaller, so that a dozen events reach every limit.
SMALL = (
    ("relay/core.py", "WINDOW = 500", "WINDOW = 4"),
    ("relay/core.py", "ATTEMPTS = 8", "ATTEMPTS = 4"),
)
_numbers = count()


class PatchDoesNotFit(AssertionError):
    """The source has changed: a patch must match it exactly once, or it tests nothing."""


@dataclass(frozen=True)
class Patch:
    """A replacement in one file: below `events/` for real code, `simulation/…` for a twin of a shell or a store."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Parts:
    """The modules a world is made of."""

    sharing: ModuleType
    relay: ModuleType
    received: ModuleType
    sorting: ModuleType
    heads: ModuleType
    inbox: ModuleType
    relay_statements: ModuleType
    inbox_statements: ModuleType
    relay_process: ModuleType
    inbox_process: ModuleType


def load(patches: Sequence[Patch] = ()) -> Parts:
    """Return fresh copies of all parts; raise PatchDoesNotFit if a patch does not match exactly once."""
    wanted = [*(Patch(*small) for small in SMALL), *patches]
    package = f"simulated{next(_numbers)}"
    # Real modules import each other relatively: one package of copies keeps them together.
    sys.modules[package] = ModuleType(package)
    made = {
        name: _module(package, name, file, wanted)
        for name, file in (
            ("received", "inbox/received.py"),
            ("sorting", "inbox/sorting.py"),
            ("heads", "inbox/heads.py"),
            ("inbox", "inbox/core.py"),
            ("sharing", "relay/sharing.py"),
            ("relay", "relay/core.py"),
        )
    }
    home = __name__.rpartition(".")[0]
    for name in ("relay_statements", "inbox_statements", "relay_process", "inbox_process"):
        made[name] = _module(home, name, f"simulation/{name}.py", wanted, alias=f"{package}.{name}")
    unknown = {patch.file for patch in wanted} - _FILES
    if unknown:
        raise PatchDoesNotFit(f"no such part: {', '.join(sorted(unknown))}")
    return Parts(**made)


@cache
def fingerprint() -> str:
    """Return a name for the source that a schedule runs: the machines, and this model of the world around them."""
    # What only reports, or reads results, may change while a campaign goes on.
    around = {"__main__.py", "campaign.py", "minimise.py", "mutants.py", "totals.py"}
    model = [path for path in HERE.glob("*.py") if path.name not in around and not path.name.startswith("test_")]
    real = [EVENTS / name for name in _FILES if not name.startswith("simulation/")]
    # By name and not by place: the same source is the same in every checkout.
    files = [*sorted(model, key=lambda path: path.name), *sorted(real, key=lambda path: path.parts[-2:])]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


@cache
def real_parts() -> Parts:
    """Return the parts as they ship."""
    return load()


_FILES = {
    "inbox/received.py", "inbox/sorting.py", "inbox/heads.py", "inbox/core.py", "relay/sharing.py", "relay/core.py",
    "simulation/relay_statements.py", "simulation/inbox_statements.py",
    "simulation/relay_process.py", "simulation/inbox_process.py",
}  # fmt: skip


def _module(package: str, name: str, file: str, patches: Sequence[Patch], alias: str = "") -> ModuleType:
    path = HERE / file.removeprefix("simulation/") if file.startswith("simulation/") else EVENTS / file
    source = path.read_text()
    for patch in patches:
        if patch.file == file:
            if source.count(patch.old) != 1:
                raise PatchDoesNotFit(f"{file} has {source.count(patch.old)} times, not once:\n{patch.old}")
            source = source.replace(patch.old, patch.new)
    # `core` is what its neighbours call the machine; a twin keeps its own package for imports.
    called = alias or f"{package}.{'core' if name == 'inbox' else name}"
    module = ModuleType(called)
    module.__package__, module.__file__ = package, str(path)
    sys.modules[called] = module
    exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 - our own source, patched by our own tests
    return module
