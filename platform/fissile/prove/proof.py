"""What a proof is made of. A shop writes its proofs with these words, in its tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

PATTERNS = {
    1: "Service per bounded context",
    2: "API style and versioning",
    3: "Discovery and naming",
    4: "API gateway",
    5: "Backend for frontend",
    6: "Asynchronous messaging",
    7: "Idempotent endpoints and deduplication",
    8: "Data ownership",
    9: "Transactional outbox",
    10: "Change data capture",
    11: "Event schema governance",
    12: "Consumer-driven contracts",
    13: "Anti-corruption layer",
    14: "Read models",
    15: "Caching tiers",
    16: "Limits, quotas, shaping",
    17: "Service identity and authorisation",
    18: "Secrets and configuration",
    19: "Health, readiness, shutdown",
    20: "Observability",
    21: "Pipeline per service",
    22: "Deployment topology",
}


class Red(AssertionError):
    """A clause saw something other than what the pattern promises."""


class NotOffered(Exception):
    """This tier or topology does not have what the clause is about; the text says why."""


class Scene(Protocol):
    """A running system, as a clause sees it. `topology` is a cut's name, `tier` embedded or real."""

    @property
    def url(self) -> str:
        """The gateway's base URL."""

    @property
    def topology(self) -> str:
        """The name of the cut, such as `monolith`; `unknown` for a system somebody else started."""

    @property
    def tier(self) -> str:
        """`embedded` or `real`; `unknown` for a system somebody else started."""


@dataclass(frozen=True)
class Clause:
    """One claim and how it is looked at: `look` returns what was seen, or raises Red or NotOffered.

    `in_any_cut`: it looks at the source, or at processes of its own, and so sees the same whatever the cut.
    """

    name: str
    look: Callable[[Scene], str]
    in_any_cut: bool = False


@dataclass(frozen=True, kw_only=True)
class Sabotage:
    """A deliberate break, and the clause that must go red.

    `patches`: `module:function` per process name pattern, for what a process does.
    `plants`: lines appended to files (by path) of the copied trees that clauses
    look at, for what stands in the source. `stores`: a `module:function` that is
    given the name of the house's stores once they are made, for what the servers
    of the real tier allow.
    """

    name: str
    clause: str
    patches: Mapping[str, str] = field(default_factory=dict)
    plants: Mapping[str, str] = field(default_factory=dict)
    stores: str = ""
    # Where the break means something; elsewhere it is not offered. Empty: everywhere.
    tiers: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Proof:
    """The proof of one pattern: `number` is the pattern's, `code` where it lives, `page` what explains it."""

    number: int
    code: str
    page: str
    clauses: list[Clause] = field(default_factory=list)
    sabotages: list[Sabotage] = field(default_factory=list)

    def clause(
        self, name: str, *, in_any_cut: bool = False
    ) -> Callable[[Callable[[Scene], str]], Callable[[Scene], str]]:
        """Add the decorated function as a clause; names are unique within a proof."""
        if any(clause.name == name for clause in self.clauses):
            raise ValueError(f"proof {self.number} has two clauses named {name!r}")

        def add(look: Callable[[Scene], str]) -> Callable[[Scene], str]:
            self.clauses.append(Clause(name, look, in_any_cut))
            return look

        return add

    def of_a_cut(self, *, and_clause: str = "") -> Proof:
        """Return the proof without the clauses that see the same in any cut, but for the one named."""
        kept = [clause for clause in self.clauses if not clause.in_any_cut or clause.name == and_clause]
        return replace(self, clauses=kept)

    def sabotaged_by(
        self,
        name: str,
        *,
        clause: str,
        patches: Mapping[str, str] | None = None,
        plants: Mapping[str, str] | None = None,
        stores: str = "",
        tiers: tuple[str, ...] = (),
    ) -> None:
        """Add a negative control that must turn exactly `clause` red."""
        if all(known.name != clause for known in self.clauses):
            raise ValueError(f"proof {self.number} has no clause named {clause!r}")
        self.sabotages.append(
            Sabotage(
                name=name,
                clause=clause,
                patches=dict(patches or {}),
                plants=dict(plants or {}),
                stores=stores,
                tiers=tiers,
            )
        )


def catalogue(proofs: list[Proof]) -> dict[int, Proof | None]:
    """Return every pattern's proof by number, None where it is not built."""
    found: dict[int, Proof | None] = dict.fromkeys(PATTERNS)
    for proof in proofs:
        if found[proof.number] is not None:
            raise ValueError(f"two proofs of pattern {proof.number}")
        found[proof.number] = proof
    return found
