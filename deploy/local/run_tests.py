"""`make test`: all tests in phases on both tiers, with private stores that are stopped again.

May touch: .run/test (its own PostgreSQL and RabbitMQ, beside the shop's), pytest. Extra words go to pytest.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from .house import ROOT

# Beside `make services`' own, so that a running shop and its data are no part of the tests.
SERVICES_DIR = ROOT / ".run" / "test" / "services"
SERVICES_BASE = 25500
STARTED = 10
NO_TESTS = 5  # pytest's exit code for an empty selection
ROOMS = ("platform/fissile_tests", "apps", "bff_app")


@dataclass
class Report:
    """What ran, how long, how it ended."""

    lines: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def run(self, name: str, words: list[str], variables: dict[str, str]) -> None:
        """Run pytest once and note its time and end."""
        print(f"\n== {name}", flush=True)
        began = time.monotonic()
        command = [sys.executable, "-m", "pytest", *words, *sys.argv[1:]]
        code = subprocess.run(command, cwd=ROOT, env=os.environ | variables, check=False).returncode
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
    verdict = f"FAILED: {', '.join(report.failed)}" if report.failed else "passed"
    print(f"test: {verdict} ({time.monotonic() - began:.0f} s; tiers: embedded{' and real' if has_real else ' only'})")
    return 1 if report.failed or is_wrong_to_skip else 0


def run_phases(report: Report, stores: dict[str, str] | None) -> None:
    """Run rooms and contexts on each tier, then whole houses."""
    real = {"TIER": "real", "SERVICES_DIR": str(SERVICES_DIR), **stores} if stores else {}
    report.run("1 rooms, contexts, architecture (embedded)", ["-m", "not house and not real"], {"TIER": "embedded"})
    if stores:
        rooms = [room for room in ROOMS if Path(ROOT, room).exists()]
        report.run("2 rooms, contexts (PostgreSQL, RabbitMQ)", [*rooms, "-m", "not house"], real)
    houses = "house" if stores else "house and not real"
    where = {"SERVICES_DIR": str(SERVICES_DIR)}
    report.run(f"3 houses ({'both tiers' if stores else 'embedded'})", ["-m", houses], where)


if __name__ == "__main__":
    sys.exit(main())
