"""Makes a failing schedule smaller: drops faults, writes and fates for as long as it fails in the same way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .invariants import Violation
from .parts import Parts
from .schedule import Schedule
from .world import World

# Re-runs of one schedule; each takes about 10 ms.
TRIES = 400


def failure_of(schedule: Schedule, parts: Parts | None = None) -> str:
    """Return the name of the invariant that this schedule breaks, or nothing."""
    try:
        World(schedule, parts).run()
    except Violation as broken:
        return broken.name
    except Exception as fell:  # noqa: BLE001 - a wrong machine may also fall over
        return type(fell).__name__
    return ""


def minimised(schedule: Schedule, parts: Parts | None = None) -> Schedule:
    """Return the smallest schedule found that breaks the same invariant."""
    name, tries = failure_of(schedule, parts), TRIES
    if not name:
        raise ValueError(f"schedule {schedule.seed} breaks nothing")
    while tries > 0:
        for smaller in _smaller(schedule):
            tries -= 1
            if failure_of(smaller, parts) == name:
                schedule = smaller
                break
            if tries <= 0:
                break
        else:
            break
    return schedule


def _smaller(schedule: Schedule) -> Iterator[Schedule]:
    for number in range(len(schedule.faults)):
        yield replace(schedule, faults=schedule.faults[:number] + schedule.faults[number + 1 :])
    for number in range(len(schedule.writes)):
        yield replace(schedule, writes=schedule.writes[:number] + schedule.writes[number + 1 :])
    for flag in ("shares_rows", "is_rolling"):
        if getattr(schedule, flag):
            yield replace(schedule, **{flag: False})
    for number, write in enumerate(schedule.writes):
        plain = replace(write, at_publish="", is_unstorable=False, is_unreadable=False, rolls_back=False, fates={})
        for one in (plain, replace(write, fates={})):
            if one != write:
                yield replace(schedule, writes=[*schedule.writes[:number], one, *schedule.writes[number + 1 :]])
    if schedule.steps > 20:
        yield replace(schedule, steps=schedule.steps * 3 // 4)
