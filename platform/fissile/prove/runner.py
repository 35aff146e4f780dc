"""Runs proofs and their negative controls, and says what was seen.

A crash is no evidence: a clause that raises anything but Red is `broken`, and a
sabotage counts only when exactly its named clause is red.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

from .proof import PATTERNS, Clause, NotOffered, Proof, Red, Sabotage, Scene

Verdict = Literal["green", "red", "broken", "not offered"]
# Opens a house that is broken in the way of one sabotage.
OpenHouse = Callable[[Sabotage], AbstractContextManager[Scene]]


@dataclass(frozen=True, kw_only=True)
class ClauseResult:
    """What one clause saw, in words, after how many seconds."""

    name: str
    verdict: Verdict
    seen: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class ProofResult:
    """A proof's clauses in order. `summary` is what a person reads first."""

    number: int
    clauses: tuple[ClauseResult, ...]
    code: str = ""
    page: str = ""

    @property
    def title(self) -> str:
        """The pattern's name."""
        return PATTERNS[self.number]

    @property
    def is_full(self) -> bool:
        """True if something was proved and nothing offered here is short of it."""
        verdicts = {clause.verdict for clause in self.clauses}
        return "green" in verdicts and verdicts <= {"green", "not offered"}

    @property
    def is_red(self) -> bool:
        """True if a built clause failed or broke."""
        return any(clause.verdict in ("red", "broken") for clause in self.clauses)

    @property
    def summary(self) -> str:
        """`proved 5/5`, `partial 4/7`, `not offered` or `not built`."""
        if not self.clauses:
            return "not built"
        offered = [clause for clause in self.clauses if clause.verdict != "not offered"]
        if not offered:
            return "not offered"
        green = sum(clause.verdict == "green" for clause in offered)
        return f"{'proved' if green == len(offered) else 'partial'} {green}/{len(offered)}"


@dataclass(frozen=True, kw_only=True)
class SabotageResult:
    """Whether a sabotage turned exactly its clause red."""

    number: int
    sabotage: str
    clause: str
    caught: bool
    seen: str


def look_at(clause: Clause, scene: Scene) -> ClauseResult:
    """Run one clause and classify what came of it."""
    began = time.monotonic()
    verdict: Verdict = "green"
    try:
        seen = clause.look(scene)
    except Red as red:
        verdict, seen = "red", str(red)
    except NotOffered as absent:
        verdict, seen = "not offered", str(absent)
    except Exception as crash:  # noqa: BLE001 - whatever broke, the next clause still runs
        verdict, seen = "broken", f"{type(crash).__name__}: {crash}"
    return ClauseResult(name=clause.name, verdict=verdict, seen=seen, seconds=time.monotonic() - began)


def prove(proof: Proof, scene: Scene) -> ProofResult:
    """Run every clause of a proof against a running system."""
    results = tuple(look_at(clause, scene) for clause in proof.clauses)
    return ProofResult(number=proof.number, clauses=results, code=proof.code, page=proof.page)


def sabotage(proof: Proof, break_: Sabotage, open_house: OpenHouse) -> SabotageResult:
    """Run a proof in a house with one thing broken; caught if exactly the named clause is red."""
    with open_house(break_) as scene:
        result = prove(proof, scene)
    return judged(proof, break_, result)


def judged(proof: Proof, break_: Sabotage, result: ProofResult) -> SabotageResult:
    """Compare the red clauses of a sabotaged run with the one that had to be red."""
    bad = {clause.name: clause for clause in result.clauses if clause.verdict in ("red", "broken")}
    named = next(clause for clause in result.clauses if clause.name == break_.clause)
    caught = named.verdict == "red" and set(bad) == {break_.clause}
    if caught:
        seen = f"red as it must be: {named.seen}"
    elif named.verdict == "not offered":
        caught, seen = True, f"not offered here: {named.seen}"
    elif named.verdict == "red":
        others = ", ".join(f"{name} ({clause.verdict}: {clause.seen})" for name, clause in bad.items())
        seen = f"more than the named clause failed: {others}"
    else:
        seen = f"the clause is {named.verdict}: {named.seen}"
    return SabotageResult(number=proof.number, sabotage=break_.name, clause=break_.clause, caught=caught, seen=seen)
