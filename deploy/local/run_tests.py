"""`make test`: all tests in phases on both tiers, with private stores that are stopped again.

May touch: .run/test (its own PostgreSQL and RabbitMQ, beside the shop's), pytest; apt, where servers or Chromium are
missing. Extra words go to pytest.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from typing import IO

from . import browser
from .house import ROOT
from .services.instance import STARTED

# Beside `make services`' own, so that a running shop and its data are no part of the tests.
SERVICES_DIR = ROOT / ".run" / "test" / "services"
SERVICES_BASE = 25500
NO_TESTS = 5  # pytest's exit code for an empty selection
BROWSER = "tests/browser"
ROOMS = ("platform/fissile_tests", "apps", "bff_app")
# What touches no store is the same on either tier, and is run on the embedded one only.
ON_STORES = "not house and (django_db or broker or real)"


@dataclass
class Phase:
    """One run of pytest: which words it gets, which variables, and its output if it is kept for later."""

    name: str
    words: list[str]
    variables: dict[str, str]
    output: IO[str] | None = None
    began: float = 0.0

    def start(self, told: bool) -> subprocess.Popen[bytes]:
        """Start pytest; `told`: its output waits in a file until it has ended."""
        self.output = tempfile.TemporaryFile("w+", errors="replace") if told else None  # noqa: SIM115 - kept open
        self.began = time.monotonic()
        command = [sys.executable, "-m", "pytest", *self.words, *sys.argv[1:]]
        return subprocess.Popen(
            command, cwd=ROOT, env=os.environ | self.variables, stdout=self.output, stderr=self.output
        )


@dataclass
class Report:
    """What ran, how long, how it ended."""

    lines: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def run(self, *phases: Phase) -> None:
        """Run pytest once per phase, all of them at once, and note each one's time and end.

        The first phase talks as it goes, the others when they have ended.
        """
        print("\n== " + "\n   and, at the same time, ".join(phase.name for phase in phases), flush=True)
        running = [phase.start(told=number > 0) for number, phase in enumerate(phases)]
        for phase, process in zip(phases, running, strict=True):
            try:
                process.wait()
            except KeyboardInterrupt:
                for each in running:
                    each.terminate()
                raise
            if phase.output:
                phase.output.seek(0)
                print(f"\n== {phase.name}\n{phase.output.read()}", end="", flush=True)
            self._note(phase.name, phase.began, process.returncode)

    def _note(self, name: str, began: float, code: int) -> None:
        good = code in (0, NO_TESTS)
        self.lines.append(f"{'✔' if good else '✘'} {name:44} {time.monotonic() - began:6.0f} s")
        if not good:
            self.failed.append(name)


def services(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the services on the tests' own instance."""
    where = ["--dir", str(SERVICES_DIR), "--base", str(SERVICES_BASE), "--for-tests", "--no-durable", "--tell-started"]
    command = [sys.executable, "-m", "deploy.local.services", *words, *where]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)


def main() -> int:
    """Run the phases; the last lines tell all that a reader in a hurry needs."""
    began, report = time.monotonic(), Report()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the stores are stopped then, too
    up = services("up")
    print(up.stdout, end="", flush=True)
    has_real = up.returncode in (0, STARTED)
    no_browser = browser.provide()
    try:
        run_phases(report, json.loads(services("env").stdout) if has_real else None)
    except KeyboardInterrupt:
        report.failed.append("stopped by Ctrl-C")
    finally:
        if up.returncode == STARTED:
            services("down")
    is_wrong_to_skip = not has_real and os.environ.get("CI", "").lower() in ("1", "true", "yes")
    if is_wrong_to_skip:
        report.failed.append("the real tier was not tested")
    print("\n" + "\n".join(report.lines))
    if not has_real:
        print("!! THE REAL TIER WAS NOT TESTED: no PostgreSQL and RabbitMQ on this machine (the reason is above).")
        print(f"!! {'CI is set, so this is a failure.' if is_wrong_to_skip else 'Only the embedded tier counts here.'}")
    if no_browser:
        print(f"!! THE CONSOLE WAS NOT TRIED IN A BROWSER: {no_browser}")
    verdict = f"FAILED: {', '.join(report.failed)}" if report.failed else "passed"
    print(f"test: {verdict} ({time.monotonic() - began:.0f} s; tiers: embedded{' and real' if has_real else ' only'})")
    return 1 if report.failed or is_wrong_to_skip else 0


def run_phases(report: Report, stores: dict[str, str] | None) -> None:
    """Run rooms and contexts on each tier, then the console in a browser, then whole houses."""
    real = {"TIER": "real", "SERVICES_DIR": str(SERVICES_DIR), **stores} if stores else {}
    embedded, rest = {"TIER": "embedded"}, ["-m", "not house", f"--ignore={BROWSER}"]
    phases = [Phase("1 rooms, contexts, architecture (embedded)", rest, embedded)]
    if stores:
        # One core each: a test of this size seldom waits for anything.
        phases.append(Phase("2 rooms, contexts (PostgreSQL, RabbitMQ)", [*ROOMS, "-m", ON_STORES], real))
    report.run(*phases)
    # By itself: a page that waits for a busy core is a slow page, not a broken one.
    report.run(Phase("3 the console in Chromium (embedded)", [BROWSER], embedded))
    # A house waits as often as it works, so that two at a time are what two cores carry. One of each tier: what a
    # test does to the private servers, such as to freeze the broker, is then felt by nobody else.
    # After some failures the rest would wait its minutes for what is as broken, and nobody would read why.
    houses, where = ["-m", "house", "--maxfail=6"], {"SERVICES_DIR": str(SERVICES_DIR)}
    phases = [Phase("4 houses (embedded)", houses, where | {"HOUSES": "embedded"})]
    if stores:
        phases.append(Phase("5 houses (PostgreSQL, RabbitMQ)", houses, where | {"HOUSES": "real"}))
    report.run(*phases)


if __name__ == "__main__":
    sys.exit(main())
