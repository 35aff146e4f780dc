"""Runs many schedules: a shard of seeds, resumable, its results as lines of JSON; and the hunt for mutants."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from .invariants import Violation
from .minimise import minimised
from .mutants import Mutant
from .pairs import PAIRS
from .parts import fingerprint, load
from .schedule import Schedule, schedule_of
from .world import World

PINNED = Path(__file__).with_name("pinned.jsonl")
# Schedules between two lines of results: a few seconds' work is lost by Ctrl-C at most.
BLOCK = 200


@dataclass
class Outcome:
    """What a run of schedules has shown."""

    schedules: int = 0
    steps: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)
    points: Counter[str] = field(default_factory=Counter)
    crashed: Counter[str] = field(default_factory=Counter)

    def run(self, seed: int) -> None:
        """Run one seed and note what came of it."""
        world = World(schedule_of(seed, PAIRS))
        self.schedules += 1
        try:
            world.run()
        except Violation as broken:
            self.failures.append({"seed": seed, "why": str(broken)})
        except Exception as fell:  # noqa: BLE001 - a machine, or the model, fell over: its seed is wanted, too
            self.failures.append({"seed": seed, "why": repr(fell)})
        self.steps += world.steps
        self.points.update({" ".join(pair): number for pair, number in world.points.items()})
        self.crashed.update({" ".join(pair): number for pair, number in world.crashed.items()})

    def add(self, line: dict[str, Any]) -> None:
        """Add what an earlier line of results says."""
        self.schedules += line["schedules"]
        self.steps += line["steps"]
        self.failures += line["failures"]
        self.points.update(line["points"])
        self.crashed.update(line["crashed"])

    def never_crashed(self) -> list[str]:
        """Return the pairs of state and effect at which nobody was killed."""
        return sorted({" ".join(pair) for pair in PAIRS} - set(self.crashed))

    def unknown(self) -> list[str]:
        """Return the pairs that no schedule aims at, because nobody has listed them."""
        return sorted(set(self.points) - {" ".join(pair) for pair in PAIRS})


def seeds_of(seed: int, schedules: int, shard: int, shards: int) -> range:
    """Return the seeds of one shard: neighbours go to different shards, and each shard aims at every pair."""
    # Odd seeds aim: a shard takes whole pairs of seeds.
    each = schedules // shards + (shard <= schedules % shards)
    first = seed + (shard - 1) * (schedules // shards) + min(shard - 1, schedules % shards)
    return range(first, first + each)


def run_shard(seeds: range, results: IO[str] | None, done: int = 0) -> Iterator[Outcome]:
    """Run the seeds that are not done yet, and yield the outcome of each block once it is written."""
    for start in range(done, len(seeds), BLOCK):
        block = Outcome()
        for seed in seeds[start : start + BLOCK]:
            block.run(seed)
        if results is not None:
            last = seeds[min(start + BLOCK, len(seeds)) - 1]
            line = {"source": fingerprint(), "seeds": [seeds[start], last], **vars(block)}
            results.write(json.dumps(line) + "\n")
            results.flush()
        yield block


def open_results(path: Path) -> IO[str]:
    """Open a results file to append to it, after the line that Ctrl-C or a kill has torn."""
    results = path.open("a")
    if results.tell() and not path.read_text().endswith("\n"):
        results.write("\n")
    return results


def earlier(path: Path, seeds: range) -> tuple[Outcome, int]:
    """Return what a results file holds of these seeds, and how many of them are done.

    A torn line is left out, and so is one of another source: what it shows is not about this one.
    """
    outcome, done = Outcome(), 0
    for line in lines_of(path):
        if done < len(seeds) and line["seeds"][0] == seeds[done]:
            outcome.add(line)
            done += line["schedules"]
    return outcome, done


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """Yield a results file's whole lines about the present source; none if there is no such file."""
    for text in path.read_text().splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if line["source"] == fingerprint():
            yield line


def trace_of(schedule: Schedule, lines: int = 60) -> str:
    """Return the end of what happened in a schedule, and what broke."""
    world = World(schedule, keeps_trace=True)
    try:
        world.run()
        ending = "nothing breaks"
    except Violation as broken:
        ending = str(broken)
    except Exception as fell:  # noqa: BLE001 - as in Outcome.run
        ending = repr(fell)
    return "\n".join([*(world.trace or [])[-lines:], ending])


def explained(seed: int) -> tuple[Schedule, str]:
    """Return a failing seed's schedule, made smaller, with the end of what happens in it."""
    smaller = minimised(schedule_of(seed, PAIRS))
    return smaller, f"made smaller, this breaks:\n{trace_of(smaller)}\nits schedule:\n{smaller.to_json()}"


def hunt(mutant: Mutant, first: int, seconds: float, most: int) -> tuple[Schedule | None, str, int]:
    """Return the first schedule that kills a mutant, made smaller, with the reason and the number of tries."""
    parts, ends = load(mutant.patches), time.monotonic() + seconds
    for tried, seed in enumerate(range(first, first + most), 1):
        schedule = schedule_of(seed, PAIRS)
        try:
            World(schedule, parts).run()
        except Violation as broken:
            return minimised(schedule, parts), str(broken), tried
        except Exception as fell:  # noqa: BLE001 - a wrong machine may also fall over
            return minimised(schedule, parts), repr(fell), tried
        if time.monotonic() > ends:
            break
    return None, "survived", tried


def pinned() -> list[dict[str, Any]]:
    """Return the pinned schedules: each kills the mutant it names, or once failed on the real machines."""
    lines = [json.loads(line) for line in PINNED.read_text().splitlines() if line]
    return [{**line, "schedule": Schedule.from_json(json.dumps(line["schedule"]))} for line in lines]


def pin(schedule: Schedule, *, mutant: str = "", why: str) -> None:
    """Write a schedule down, in place of an earlier one for the same mutant."""
    kept = [line for line in PINNED.read_text().splitlines() if line] if PINNED.exists() else []
    kept = [line for line in kept if not mutant or json.loads(line)["mutant"] != mutant]
    line = {"mutant": mutant, "why": why, "schedule": json.loads(schedule.to_json())}
    PINNED.write_text("\n".join([*kept, json.dumps(line)]) + "\n")
