"""Start a Python program with patches applied first: `python -m fissile.testing.launch --patch m:f -- -m gunicorn …`.

A patch is a function without arguments in an importable module. It runs once
Django's apps are loaded (or at once, in a process without Django), and changes
one thing the production code does. Production code has no branch for it.
`--crash FILE` arms the crash points: the process dies at the one that the file names.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

from fissile.testing import crashes


def _patches(names: list[str]) -> list[Callable[[], None]]:
    loaded = []
    for name in names:
        module, _, function = name.partition(":")
        loaded.append(getattr(importlib.import_module(module), function))
    return loaded


def _apply_in_children(options: list[str]) -> None:
    """Start the processes in which a consumer isolates a message with the same patches, and without its crash points.

    Those name a place in the process that the test has started, which is the one that it waits for.
    """
    from fissile.events.inbox import isolation

    _, *program = isolation.PROGRAM
    isolation.PROGRAM = (sys.executable, "-m", "fissile.testing.launch", *options, "--", *program)


def _apply_after_setup(names: list[str], options: list[str]) -> None:
    """Apply patches when `django.setup()` has populated the app registry."""
    from django.apps.registry import Apps

    populate = Apps.populate

    def populate_then_patch(self: Apps, installed_apps: object = None) -> None:
        before = self.ready
        populate(self, installed_apps)  # type: ignore[arg-type]
        if self.ready and not before:
            for patch in _patches(names):
                patch()
            _apply_in_children(options)

    Apps.populate = populate_then_patch  # type: ignore[method-assign]


def main(arguments: list[str]) -> None:
    """Split `--patch module:function`, `--now module:function`, `--crash FILE` from what follows `--`; become that."""
    split = arguments.index("--")
    options, program = arguments[:split], arguments[split + 1 :]
    pairs = list(zip(options[::2], options[1::2], strict=True))
    later = [value for flag, value in pairs if flag == "--patch"]
    now = [value for flag, value in pairs if flag == "--now"]
    for flag, value in pairs:
        if flag == "--crash":
            crashes.watch(Path(value))
    sys.path.insert(0, os.getcwd())
    if later:
        _apply_after_setup(later, [word for pair in pairs if pair[0] != "--crash" for word in pair])
    for patch in _patches(now):
        patch()
    if program[0] == sys.executable:
        program = program[1:]
    if program[0] == "-m":
        sys.argv = program[1:]
        runpy.run_module(program[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = program
        sys.path.insert(0, str(Path(program[0]).resolve().parent))
        runpy.run_path(program[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
