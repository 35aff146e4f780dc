"""What the five scaffold commands share: the project's layout from settings, `--dry-run`, and how a draft is told.

May touch: settings, the app registry, source files through `fissile.scaffold`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from fissile.contexts import registry
from fissile.management.cli import FINDINGS, REFUSED, USAGE, CliError, HouseCommand, Result
from fissile.scaffold.draft import CHANGED, CREATED, KEPT, REMOVED, UNCHANGED, Draft
from fissile.scaffold.errors import AnchorMissing, BadName, NoSuchPart, NotRemovable, ScaffoldError
from fissile.scaffold.layout import Layout
from fissile.scaffold.words import article, spoken

_CODES: dict[type[ScaffoldError], int] = {
    BadName: USAGE,
    NoSuchPart: USAGE,
    AnchorMissing: FINDINGS,
    NotRemovable: REFUSED,
}


def layout() -> Layout:
    """Return the project's layout: FISSILE["scaffold"] over the defaults, below BASE_DIR or the current folder."""
    ours: dict[str, Any] = settings.FISSILE
    told: dict[str, Any] = ours.get("scaffold", {})
    root = Path(getattr(settings, "BASE_DIR", Path.cwd()))
    return Layout(root=root, packages=ours["packages"], **told)


class ScaffoldCommand(HouseCommand):
    """A command that plans a draft, then shows it (`--dry-run`) or writes it. Subclasses define `plan`."""

    # What it writes is what the checks would look at.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --dry-run and --json."""
        parser.add_argument("--dry-run", action="store_true", help="print the changes as a unified diff; write nothing")
        self.add_json(parser)

    def plan(self, draft: Draft, project: Layout, **options: Any) -> Told:
        """Fill the draft; return what to say of it. Raise ScaffoldError."""
        raise NotImplementedError

    def answer(self, **options: Any) -> Result:
        """Plan, then write or show."""
        project = layout()
        draft = Draft(project.root)
        try:
            told = self.plan(draft, project, **options)
        except ScaffoldError as wrong:
            raise CliError(
                wrong.identity, str(wrong), where=wrong.where, hint=wrong.fix, code=_CODES.get(type(wrong), 1)
            ) from wrong
        statuses, is_dry = draft.statuses(), bool(options["dry_run"])
        data = {
            **told.data,
            "dry_run": is_dry,
            "files": [{"path": path, "status": status} for path, status in statuses.items()],
        }
        if is_dry:
            diff = draft.diff()
            return Result(
                data={**data, "diff": diff}, text=diff or f"nothing to do: {told.line}", warnings=told.warnings
            )
        draft.write()
        is_changed = bool(set(statuses.values()) - {UNCHANGED, KEPT})
        then = [*project.then, *told.next] if is_changed else []
        warnings = told.warnings if is_changed else []
        return Result(data=data, text=_text(statuses, told), warnings=warnings, next=then)


def unheard(context: str, source: str, aggregate: str) -> str:
    """Say what the queue of a context that begins to listen does not carry; empty if it listens to `source` already.

    There is no way back to the log yet.
    """
    if any(source in one.sources for one in registry.installed() if one.name == context):
        return ""
    return (
        f"{context} has not listened to {source} before: what was published until now does not come in, and "
        f"{article(aggregate)} {spoken(aggregate)} that had events before waits for them"
    )


class Told:
    """What a scaffold says: one line for people, data for programs, warnings, and the commands that follow."""

    def __init__(
        self, line: str, data: dict[str, Any], *, warnings: Sequence[str] = (), next: Sequence[str] = ()
    ) -> None:
        self.line, self.data, self.warnings, self.next = line, data, list(warnings), list(next)


def _text(statuses: dict[str, str], told: Told) -> str:
    counted = Counter(statuses.values())
    if set(counted) <= {UNCHANGED, KEPT}:
        kept = [path for path, status in statuses.items() if status == KEPT]
        return "\n".join([f"nothing to do: {told.line}", *(f"{path}  {_SAID[KEPT]}" for path in kept)])
    shown = {path: status for path, status in statuses.items() if status != UNCHANGED}
    new = [path for path, status in shown.items() if status in (CREATED, REMOVED)]
    rest = [f"{path}  {_SAID[status]}" for path, status in shown.items() if path not in new]
    return "\n".join([*_tree(new, shown), *rest, told.line])


_SAID = {CREATED: "", REMOVED: "removed", CHANGED: "changed", KEPT: "kept: it is there with another text"}


def _tree(paths: Sequence[str], said: dict[str, str]) -> list[str]:
    """Return paths as an indented tree, folders once, below their common folder."""
    lines: list[str] = []
    open_folders: tuple[str, ...] = ()
    for path in sorted(paths, key=lambda path: path.split("/")):
        *folders, name = path.split("/")
        top = "/".join(folders[:2])
        steps = tuple(filter(None, (top, *folders[2:])))
        shared = next((n for n, pair in enumerate(zip(steps, open_folders, strict=False)) if pair[0] != pair[1]),
                      min(len(steps), len(open_folders)))  # fmt: skip
        lines += [f"{'  ' * depth}{steps[depth]}/" for depth in range(shared, len(steps))]
        what = _SAID[said[path]] if path in said else ""
        lines.append(f"{'  ' * len(steps)}{name}{f'  {what}' if what else ''}")
        open_folders = steps
    return lines
