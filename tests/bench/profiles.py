"""Where a loop's wall-clock time goes: cProfile in its thread, told as shares. May touch: nothing."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_MOST_LINES = 14


def profiled(target: Callable[[], None], profile: cProfile.Profile | None) -> Callable[[], None]:
    """Return `target`, run under the profile if there is one. The clock is the wall's: waiting counts."""
    if profile is None:
        return target
    return lambda: profile.runcall(target)


def told(profile: cProfile.Profile, phases: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """Return what named functions took with all they call, and the functions that took most by themselves.

    `phases`: what a function does → (end of its file's name, its name).
    """
    stats: dict[tuple[str, int, str], Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    whole = sum(own for _, _, own, _, _ in stats.values())
    return {
        "seconds": round(whole, 3),
        "phases": [_phase(says, stats, place, whole) for says, place in phases.items()],
        "own": [
            {"function": _named(at), "calls": one[0], "share": round(one[2] / whole, 4)}
            for at, one in sorted(stats.items(), key=lambda entry: -entry[1][2])[:_MOST_LINES]
        ],
    }


def _phase(says: str, stats: Mapping[Any, Any], place: tuple[str, str], whole: float) -> dict[str, Any]:
    file, function = place
    found = [one for at, one in stats.items() if at[0].endswith(file) and at[2] == function]
    calls, seconds = sum(one[0] for one in found), sum(one[3] for one in found)
    each = round(seconds / calls * 1_000, 2) if calls else 0.0
    return {"phase": says, "calls": calls, "ms_each": each, "share": round(seconds / whole, 4)}


def _named(at: tuple[str, int, str]) -> str:
    file, _, function = at
    if file == "~":
        return function.strip("<>")
    # A package's folder and the file: the same text on every machine.
    return f"{'/'.join(Path(file).parts[-2:])} {function}"
