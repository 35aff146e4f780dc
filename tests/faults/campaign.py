"""Which runs there are, and working them off one by one; what has a result of the present source is not run again.

May touch: its folder of results; each run is a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.house import ROOT

from .rows import ROWS, Run
from .source import fingerprint

RESULTS = ROOT / ".run" / "faults" / "results"
LONGEST_RUN_SECONDS = 2_400
# Kills of each point in one run; as many runs of a cell of the real tier make 20.
KILLS, ROUNDS = 5, 4
CONTROL_ROUNDS = 10
# Minutes without a broker, and orders a second meanwhile.
OUTAGE = {"seconds": 300.0, "rate": 12.0}
# Orders while processes of every kind die: most of all orders come from these runs.
MANY = {"orders": 3000, "kills": 15}
# Seconds of F02's sleeps: past a lease of a lane, of a mark, and past what makes a worker's threads count as hung.
SLEEPS = {"lengths": [8.0, 30.0, 100.0]}
# Seconds of each phase of F17, of which an outage of a few must be less than a hundredth.
LONG = {"window": 300.0}
# Rows whose faults strike at random moments: each round is another schedule.
RANDOM = ("F03", "F05", "F10")


def quick() -> Iterator[Run]:
    """Yield the runs of `make faults`: the rows that take a minute, a control for each; minutes in all."""
    yield Run(row="F01", topology="monolith", tier="embedded", seed=1)
    yield Run(row="F01", topology="split", tier="real", seed=1)
    for control in ("mark-before-confirm", "ack-before-commit"):
        yield Run(row="F01", topology="monolith", tier="embedded", seed=1, control=control)
    yield Run(row="F05", topology="split", tier="real", seed=1)
    yield Run(row="F05", topology="split", tier="real", seed=1, control="no-confirms")
    yield Run(row="F05-full", topology="monolith", tier="real", seed=1)
    yield Run(row="F18", topology="monolith", tier="embedded", seed=1)
    yield Run(row="F18", topology="monolith", tier="embedded", seed=1, control="no-inbox")


def full() -> Iterator[Run]:
    """Yield every row in every cell, crash points many times, each control ten times; many hours in all, in rounds."""
    for seed in range(1, ROUNDS + 1):
        for name in ROWS:
            yield from _cells(name, seed)
    for seed in range(1, CONTROL_ROUNDS + 1):
        for name, row in ROWS.items():
            yield from (_control(name, control, seed) for control in row.controls)


def _cells(name: str, seed: int) -> Iterator[Run]:
    for tier in reversed(ROWS[name].tiers):
        for topology in ("monolith", "split", *(("split-twice",) if (name, tier) == ("F17", "real") else ())):
            options: Mapping[str, Any] = {}
            if name == "F01":
                options = {"kills": KILLS}
            elif name == "F03" and tier == "real":
                options = MANY
            elif name == "F02" and tier == "real":
                options = SLEEPS
            elif name == "F17" and tier == "real":
                options = LONG
            elif name == "F05-outage" and topology == "monolith":
                options = OUTAGE
            if seed == 1 or (tier == "real" and name in ("F01", *RANDOM)):
                yield Run(row=name, topology=topology, tier=tier, seed=seed, options=options)


def _control(name: str, control: str, seed: int) -> Run:
    tier = ROWS[name].tiers[0]
    return Run(row=name, topology="monolith", tier=tier, seed=seed, control=control)


LISTS: Mapping[str, Callable[[], Iterator[Run]]] = {"quick": quick, "full": full}


def is_good(result: Mapping[str, Any]) -> bool:
    """True if the shop's own design held, or if a wrong one was caught by more than a point that nobody reached."""
    broken = {invariant for invariant, times in result["violations"].items() if times and invariant != "I0"}
    return bool(broken) if result["control"] else not result["violations"]


def work_off(runs: Iterable[Run], results: Path, *, rows: Iterable[str], tiers: Iterable[str]) -> int:
    """Do what has no result yet; say how each ended; return the exit code."""
    results.mkdir(parents=True, exist_ok=True)
    bad = []
    for asked in runs:
        if asked.row not in rows or asked.tier not in tiers:
            continue
        result = known(results / f"{asked.name}.json") or _done(asked, results / f"{asked.name}.json")
        is_wanted = result is not None and is_good(result)
        print(f"{'✔' if is_wanted else '✘'} {asked.name:50} {_said(result)}", flush=True)
        if not is_wanted:
            bad.append(asked)
    for asked in bad:
        print(f"faults: again with {asked.command}")
    return int(bool(bad))


def known(file: Path) -> dict[str, Any] | None:
    """Return a result of the present source, if there is one."""
    if not file.exists():
        return None
    result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return result if result["source"] == fingerprint(result["row"]) else None


def _done(asked: Run, file: Path) -> dict[str, Any] | None:
    words = [sys.executable, "-m", *asked.command.split()[2:], "--file", str(file)]
    file.unlink(missing_ok=True)
    log = file.with_suffix(".log")
    with log.open("w", encoding="utf-8") as said:
        try:
            subprocess.run(words, cwd=ROOT, stdout=said, stderr=said, timeout=LONGEST_RUN_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return None
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def _said(result: Mapping[str, Any] | None) -> str:
    if result is None:
        return "no result: see its log"
    faults = sum(result["faults"].values())
    return f"{faults} faults, {result['requests']['accepted']} orders, violations: {result['violations'] or 'none'}"
