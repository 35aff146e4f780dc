"""The setting FISSILE_GATE, read in one place: `{"apps": […], "baseline": path, "strict": bool}`, all optional."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

BASELINE = "boundaries-baseline.json"
_KEYS = {"apps", "baseline", "strict"}


class GateError(Exception):
    """The gate cannot look: what is wrong, and the fix as `hint`."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a project may choose.

    `apps`: prefixes of the apps that are contexts, where nothing is declared;
    `strict`: findings are errors there even without a baseline.
    """

    apps: tuple[str, ...] = ()
    baseline: Path = Path(BASELINE)
    strict: bool = False


def read() -> Options:
    """Return the options; raise GateError for a key or a value that is none."""
    given: Any = getattr(settings, "FISSILE_GATE", {})
    if not isinstance(given, dict) or set(given) - _KEYS:
        strange = ", ".join(sorted(map(str, set(given) - _KEYS))) if isinstance(given, dict) else type(given).__name__
        raise GateError(f"settings.FISSILE_GATE does not know {strange}", hint=f"it has {', '.join(sorted(_KEYS))}")
    apps = given.get("apps", ())
    if isinstance(apps, str) or not all(isinstance(one, str) for one in apps):
        raise GateError('settings.FISSILE_GATE["apps"] is no list of prefixes', hint='write ["shop.", "billing"]')
    # Beside manage.py, whatever folder a command is started in.
    home = Path(getattr(settings, "BASE_DIR", "."))
    path = home / given.get("baseline", BASELINE)
    return Options(
        apps=tuple(one.rstrip(".") for one in apps), baseline=path.resolve(), strict=bool(given.get("strict"))
    )
