"""`python -m tests.faults.simulation`: schedules in shards, one of them told, the hunt for mutants, or filing."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from .campaign import (
    PINNED,
    Outcome,
    earlier,
    explained,
    hunt,
    open_results,
    pin,
    pinned,
    run_shard,
    seeds_of,
    trace_of,
)
from .minimise import failure_of
from .mutants import MUTANTS
from .pairs import PAIRS
from .parts import load
from .schedule import schedule_of
from .totals import figures, file


def main() -> int:
    """Run what was asked for; exit 1 if an invariant was broken or a mutant lives."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--shard", default="1/1", help="i/k: this part of the schedules")
    parser.add_argument("--resume", type=Path, help="a file of results to go on with, or to begin")
    parser.add_argument("--file", type=Path, nargs="+", help="add these results to totals.json and the page")
    parser.add_argument("--trace", action="store_true", help="run the one --seed, and say what happened")
    parser.add_argument("--mutants", action="store_true", help="look for a schedule that kills each mutant, and pin it")
    parser.add_argument("--seconds", type=float, default=120.0, help="at most, per mutant")
    parser.add_argument("--only", default="", help="mutants with these words in their names")
    asked = parser.parse_args()
    try:
        if asked.file:
            print(figures(file(asked.file)))
            return 0
        if asked.trace:
            print(trace_of(schedule_of(asked.seed, PAIRS), lines=400))
            return int(bool(failure_of(schedule_of(asked.seed, PAIRS))))
        return _hunt_all(asked) if asked.mutants else _run(asked)
    except KeyboardInterrupt:
        print("\nstopped; the same command with the same --resume goes on from here", file=sys.stderr)
        return 130


def _run(asked: argparse.Namespace) -> int:
    shard, shards = (int(part) for part in asked.shard.split("/"))
    seeds = seeds_of(asked.seed, asked.schedules, shard, shards)
    total, done = earlier(asked.resume, seeds) if asked.resume else (Outcome(), 0)
    began, ran, results = time.monotonic(), 0, open_results(asked.resume) if asked.resume else None
    for block in run_shard(seeds, results, done):
        total.add(vars(block))
        ran += block.schedules
        speed = ran / (time.monotonic() - began)
        print(f"\r{total.schedules} of {len(seeds)}, {len(total.failures)} broken, {speed:.0f}/s ", end="", flush=True)
    print()
    _report(total, seeds)
    return int(bool(total.failures or total.unknown()))


def _report(total: Outcome, seeds: range) -> None:
    covered = len(PAIRS) - len(total.never_crashed())
    print(f"seeds {seeds.start} to {seeds.stop - 1}: {total.schedules} schedules, {total.steps} steps, "
          f"{len(total.failures)} broken invariants")  # fmt: skip
    print(f"killed at {covered} of {len(PAIRS)} (state, effect) pairs, {sum(total.crashed.values())} times")
    if total.never_crashed():
        print("never killed at:", "; ".join(total.never_crashed()))
    if total.unknown():
        print("not listed in pairs.py:", "; ".join(total.unknown()))
    for failure in total.failures[:3]:
        print(f"\nseed {failure['seed']}: {failure['why']}")
        smaller, story = explained(failure["seed"])
        print(story)
        pin(smaller, why=failure["why"])
        print(f"pinned in {PINNED.name}: a test from now on, which fails until this is mended")


def _hunt_all(asked: argparse.Namespace) -> int:
    alive, known = [], {line["mutant"]: line["schedule"] for line in pinned()}
    wanted = [mutant for mutant in MUTANTS if asked.only in mutant.name]
    for mutant in wanted:
        name = failure_of(known[mutant.name], load(mutant.patches)) if mutant.name in known else ""
        if name:
            print(f"killed by its pinned schedule: {mutant.name} ({name})", flush=True)
            continue
        schedule, why, tried = hunt(mutant, asked.seed, asked.seconds, asked.schedules)
        print(f"{'killed' if schedule else 'ALIVE'} after {tried} schedules: {mutant.name} ({why})", flush=True)
        if schedule is None:
            alive.append(mutant.name)
        else:
            pin(schedule, mutant=mutant.name, why=why)
    print(f"{len(wanted) - len(alive)} of {len(wanted)} mutants killed" + "".join(f"\nALIVE: {one}" for one in alive))
    return int(bool(alive))


if __name__ == "__main__":
    raise SystemExit(main())
