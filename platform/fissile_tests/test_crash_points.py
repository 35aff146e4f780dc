"""Crash points: each name stands in one place, an unarmed pass does nothing, an armed one ends the process."""

from __future__ import annotations

import ast
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import fissile
from fissile import crash_points
from fissile.testing import crashes

LIBRARY = Path(fissile.__file__).parent


def _passes() -> Counter[str]:
    """Return how often production code passes each point."""
    found: Counter[str] = Counter()
    for file in LIBRARY.rglob("*.py"):
        if "testing" in file.relative_to(LIBRARY).parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "reached":
                found[ast.literal_eval(node.args[0])] += 1
    return found


def test_every_point_is_passed_in_exactly_one_place():
    assert _passes() == dict.fromkeys(crash_points.POINTS, 1)


def test_an_unarmed_pass_does_nothing():
    assert crash_points._armed is None

    for point in crash_points.POINTS:
        crash_points.reached(point)


@pytest.fixture
def watched(tmp_path):
    """A trigger that this very process watches; the list tells how often it would have died."""
    trigger, deaths = tmp_path / "worker", []
    crashes.watch(trigger, end=lambda: deaths.append("died"))
    yield trigger, deaths
    crash_points.arm(None)


def test_a_trigger_kills_at_the_pass_it_names_and_only_once(watched):
    trigger, deaths = watched
    crash_points.reached("relay.claimed")  # before it was armed: does not count
    crashes.arm(trigger, "relay.claimed", passes=2)

    crash_points.reached("relay.claimed")
    crash_points.reached("consumer.acked")
    assert (deaths, crashes.is_hit(trigger)) == ([], False)

    for _ in range(4):
        crash_points.reached("relay.claimed")
    assert (deaths, crashes.is_hit(trigger)) == (["died"], True)


def test_a_trigger_that_was_taken_back_kills_nobody(watched):
    trigger, deaths = watched
    crashes.arm(trigger, "relay.claimed")

    assert crashes.disarm(trigger)
    crash_points.reached("relay.claimed")

    assert deaths == []
    assert not crashes.disarm(trigger)


def test_a_point_that_nobody_passes_cannot_be_armed(tmp_path):
    with pytest.raises(crashes.NoSuchPoint, match=r"relay\.dreaming"):
        crashes.arm(tmp_path / "worker", "relay.dreaming")


def test_a_launched_program_dies_by_sigkill_at_its_point(tmp_path):
    trigger, program = tmp_path / "program", tmp_path / "program.py"
    program.write_text("from fissile.crash_points import reached\nreached('idem.inserted')\nprint('alive')\n")
    crashes.arm(trigger, "idem.inserted")
    command = [sys.executable, "-m", "fissile.testing.launch", "--crash", str(trigger), "--", str(program)]

    died, lived = (subprocess.run(command, capture_output=True, text=True, check=False) for _ in range(2))

    assert (died.returncode, died.stdout) == (-signal.SIGKILL, "")
    assert (lived.returncode, lived.stdout) == (0, "alive\n"), lived.stderr
