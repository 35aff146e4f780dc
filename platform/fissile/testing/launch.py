"""Start a Python program with patches applied first: `python -m fissile.testing.launch --patch m:f -- -m gunicorn …`.

A patch is a function without arguments in an importable module. It runs once
Django's apps are loaded (or at once, in a process without Django), and changes
one thing the production code does. Production code has no branch for it.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path


def _patches(names: list[str]) -> list[Callable[[], None]]:
    loaded = []
    for name in names:
        module, _, function = name.partition(":")
        loaded.append(getattr(importlib.import_module(module), function))
    return loaded


def _apply_after_setup(names: list[str]) -> None:
    """Apply patches when `django.setup()` has populated the app registry."""
    from django.apps.registry import Apps

    populate = Apps.populate

    def populate_then_patch(self: Apps, installed_apps: object = None) -> None:
        before = self.ready
        populate(self, installed_apps)  # type: ignore[arg-type]
        if self.ready and not before:
            for patch in _patches(names):
                patch()

    Apps.populate = populate_then_patch  # type: ignore[method-assign]


def main(arguments: list[str]) -> None:
    """Split `--patch module:function`, `--now module:function` from the program after `--`, then become it."""
    split = arguments.index("--")
    options, program = arguments[:split], arguments[split + 1 :]
    later = [value for flag, value in zip(options[::2], options[1::2], strict=True) if flag == "--patch"]
    now = [value for flag, value in zip(options[::2], options[1::2], strict=True) if flag == "--now"]
    sys.path.insert(0, os.getcwd())
    if later:
        _apply_after_setup(later)
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
