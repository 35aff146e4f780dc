"""The proofs are full in every cell, and each sabotage turns exactly its clause red."""

from __future__ import annotations

import pytest

from fissile.prove import Proof, ProofResult, Sabotage, prove, sabotage
from fissile.testing.processes import Processes
from tests.house import CELLS
from tests.proofs import PROOFS, TOPOLOGIES, ShopScene, open_scene

pytestmark = pytest.mark.house

# These are about where the borders lie, and so are shown in every cut of the house.
OF_EVERY_CUT = [proof for proof in PROOFS if proof.number in (1, 8, 13)]
# A house takes longer to start than a cut differs from its neighbour: one tier each.
FURTHER_CUTS = [
    ("users-out", "embedded"),
    ("orders-out", "embedded"),
    ("payments-out", "embedded"),
    ("bff-out", "real"),
    ("split-twice", "real"),
]
# Every sabotage needs a house of its own, minutes in all: each runs in one cell
# here, or in two; `manage.py prove --sabotage` runs any of them.
SABOTAGED = [
    (proof, break_, topology, "real" if break_.tiers == ("real",) else tier)
    for proof in PROOFS
    for break_ in proof.sabotages
    for topology, tier in (("monolith", "embedded"), ("orders-out", "real"))[: 2 if proof in OF_EVERY_CUT else 1]
]


def opened(cell):
    topology, tier = cell
    return open_scene(url=None, topology=topology, tier=tier, patches={})


@pytest.fixture(scope="module", params=CELLS, ids="-".join)
def scene(request):
    with opened(request.param) as found:
        yield found


@pytest.fixture(scope="module", params=FURTHER_CUTS, ids="-".join)
def further_cut(request):
    with opened(request.param) as found:
        yield found


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: f"pattern-{proof.number}")
def test_a_proof_is_full(scene, proof: Proof):
    assert_full(prove(proof, scene), scene)


@pytest.mark.parametrize("proof", OF_EVERY_CUT, ids=lambda proof: f"pattern-{proof.number}")
def test_what_a_proof_says_of_the_cut_holds_in_every_cut(further_cut, proof: Proof):
    assert_full(prove(proof.of_a_cut(), further_cut), further_cut)


def assert_full(result: ProofResult, scene: ShopScene) -> None:
    bad = [f"{one.verdict}: {one.name}: {one.seen}" for one in result.clauses if one.verdict in ("red", "broken")]
    assert bad == [], gone(scene.house.processes)
    assert result.is_full, result.summary


def gone(processes: Processes) -> str:
    """Return the names and last words of processes that ended by themselves."""
    ended = [name for name in processes.names if not processes.is_running(name)]
    return "\n".join(f"{name} has ended:\n{processes.log(name)}" for name in ended) or "every process runs"


def test_the_cuts_of_the_four_cells_and_the_further_ones_are_all_there_are():
    assert {topology for topology, _ in (*CELLS, *FURTHER_CUTS)} == set(TOPOLOGIES)


@pytest.mark.parametrize(
    ("proof", "break_", "topology", "tier"),
    [pytest.param(*row, id=f"{row[1].name}-{row[2]}-{row[3]}") for row in SABOTAGED],
)
def test_a_sabotage_turns_its_clause_red_and_nothing_else(proof: Proof, break_: Sabotage, topology: str, tier: str):
    broken = {"patches": break_.patches, "plants": break_.plants, "stores": break_.stores}
    if topology != "monolith":
        proof = proof.of_a_cut(and_clause=break_.clause)

    result = sabotage(proof, break_, lambda _: open_scene(url=None, topology=topology, tier=tier, **broken))

    assert result.caught, result.seen


def test_every_proof_has_a_sabotage_and_no_number_twice():
    assert all(proof.sabotages for proof in PROOFS)
    assert len({proof.number for proof in PROOFS}) == len(PROOFS)
