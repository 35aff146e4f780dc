"""Run schemathesis against one document of one address, as a process of its own, and read its report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIG = "tests/fuzz/schemathesis.toml"
# Many times what a run takes on two busy cores.
LONGEST_RUN_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class Fuzzed:
    """What a run found. `cases` counts only those whose answer went through the checks."""

    report: Mapping[str, Any]
    output: str
    succeeded: frozenset[str]

    @property
    def cases(self) -> int:
        """How many cases were sent and judged."""
        counted = self.report["test_cases"]
        return int(counted["generated"] - counted["without_checks"])

    @property
    def failures(self) -> list[str]:
        """The failed checks, each `type (title): operations`; errors of the run too."""
        found = [f"{one['type']} ({one['title']}): {', '.join(one['operations'])}" for one in self.report["failures"]]
        return found + [str(error) for error in self.report["errors"]]

    @property
    def tested(self) -> bool:
        """True if the run went through to its end, over every operation."""
        operations = self.report["operations"]
        return bool(self.report["complete"]) and operations["tested"] == operations["total"]


def fuzz(
    document_url: str,
    *,
    tokens: Mapping[str, str],
    skus: Sequence[str],
    orders: Sequence[str] = (),
    examples: int,
    folder: Path,
) -> Fuzzed:
    """Fuzz every operation of a document; `tokens` maps rosa and ben to their access tokens, `orders` are theirs."""
    folder.mkdir(parents=True)
    report, people, successes = folder / "report.json", folder / "people.json", folder / "successes"
    people.write_text(json.dumps({"auth": [_person(name, token) for name, token in tokens.items()]}))
    successes.touch()
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIG, "--no-color", "run", document_url),
            *("--max-examples", str(examples), "--report", "json", "--report-json-path", str(report)),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "FUZZ_PEOPLE": str(people),
            "FUZZ_SKUS": " ".join(skus),
            "FUZZ_ORDERS": " ".join(orders),
            "FUZZ_SUCCESSES": str(successes),
            "PYTHONPATH": str(ROOT),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST_RUN_SECONDS,
    )
    if not report.exists():
        raise AssertionError(f"schemathesis made no report:\n{ran.stdout}")
    return Fuzzed(
        report=json.loads(report.read_text()), output=ran.stdout, succeeded=frozenset(successes.read_text().split())
    )


def _person(name: str, token: str) -> dict[str, Any]:
    return {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {token}"}]}
