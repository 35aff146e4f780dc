"""The proofs are full in every cell, and each sabotage turns exactly its clause red."""

from __future__ import annotations

import pytest

from fissile.prove import Proof, Sabotage, prove, sabotage
from tests.house import CELLS
from tests.proofs import PROOFS, open_scene

pytestmark = pytest.mark.house

# Every sabotage needs a house of its own, minutes in all: one cell is run
# here; `manage.py prove --sabotage` runs any of the four.
SABOTAGED = [("monolith", "embedded")]


@pytest.fixture(scope="module", params=CELLS, ids="-".join)
def scene(request):
    topology, tier = request.param
    with open_scene(url=None, topology=topology, tier=tier, patches={}) as found:
        yield found


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: f"pattern-{proof.number}")
def test_a_proof_is_full(scene, proof: Proof):
    result = prove(proof, scene)

    assert [
        f"{one.verdict}: {one.name}: {one.seen}" for one in result.clauses if one.verdict in ("red", "broken")
    ] == []
    assert result.is_full, result.summary


@pytest.mark.parametrize("cell", SABOTAGED, ids="-".join)
@pytest.mark.parametrize(
    ("proof", "break_"),
    [pytest.param(proof, break_, id=break_.name) for proof in PROOFS for break_ in proof.sabotages],
)
def test_a_sabotage_turns_its_clause_red_and_nothing_else(cell, proof: Proof, break_: Sabotage):
    topology, tier = cell
    if break_.tiers and tier not in break_.tiers:
        pytest.skip(f"{break_.name} means something on {', '.join(break_.tiers)} only")

    result = sabotage(
        proof,
        break_,
        lambda one: open_scene(url=None, topology=topology, tier=tier, patches=one.patches, plants=one.plants),
    )

    assert result.caught, result.seen


def test_every_proof_has_a_sabotage_and_no_number_twice():
    assert all(proof.sabotages for proof in PROOFS)
    assert len({proof.number for proof in PROOFS}) == len(PROOFS)
