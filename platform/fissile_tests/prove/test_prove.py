"""The runner of proofs: what counts as proved, and what a sabotage must do."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from fissile.prove import NotOffered, Proof, ProofResult, Red, catalogue, prove, sabotage


class House:
    url, topology, tier = "http://127.0.0.1:1", "monolith", "embedded"

    def __init__(self, patches):
        self.patches = patches


@contextmanager
def a_house(break_):
    yield House(break_.patches)


def a_proof():
    proof = Proof(number=9, code="fissile.events", page="docs/patterns/outbox.md")

    @proof.clause("is kept")
    def is_kept(scene):
        if "breaks-one" in scene.patches.values() or "breaks-both" in scene.patches.values():
            raise Red("lost 3 of 10")
        if "crashes" in scene.patches.values():
            raise RuntimeError("no such table")
        return "10 of 10"

    @proof.clause("is in order")
    def is_in_order(scene):
        if "breaks-both" in scene.patches.values():
            raise Red("2 before 1")
        return "in order"

    @proof.clause("survives power loss")
    def survives(scene):
        raise NotOffered("embedded tier")

    return proof


def test_a_full_proof_is_proved_and_says_what_it_saw():
    result = prove(a_proof(), House({}))

    assert result.summary == "proved 2/2"
    assert result.is_full
    assert [clause.seen for clause in result.clauses] == ["10 of 10", "in order", "embedded tier"]


@pytest.mark.parametrize("patch", ["breaks-one", "crashes"])
def test_a_red_or_broken_clause_is_partial(patch):
    result = prove(a_proof(), House({"worker": patch}))

    assert result.summary == "partial 1/2"
    assert result.is_red
    assert not result.is_full


def test_a_pattern_without_a_proof_is_not_built():
    assert ProofResult(number=10, clauses=()).summary == "not built"
    assert catalogue([a_proof()])[10] is None


@pytest.mark.parametrize(
    ("patch", "caught"), [("breaks-one", True), ("breaks-both", False), ("crashes", False), ("nothing", False)]
)
def test_a_sabotage_counts_only_when_exactly_its_clause_goes_red(patch, caught):
    proof = a_proof()
    proof.sabotaged_by("publish before commit", clause="is kept", patches={"worker": patch})

    assert sabotage(proof, proof.sabotages[0], a_house).caught is caught


def test_a_clause_has_one_name_and_a_sabotage_names_a_clause():
    proof = a_proof()

    with pytest.raises(ValueError, match="two clauses"):
        proof.clause("is kept")
    with pytest.raises(ValueError, match="no clause named"):
        proof.sabotaged_by("x", clause="is fast", patches={})


def test_of_a_cut_a_proof_has_what_depends_on_the_cut_and_the_clause_that_is_named():
    proof = a_proof()
    for name in ("imports nothing", "holds no secret"):
        proof.clause(name, in_any_cut=True)(lambda scene: "read")

    names = [clause.name for clause in proof.of_a_cut(and_clause="holds no secret").clauses]

    assert names == ["is kept", "is in order", "survives power loss", "holds no secret"]
    assert len(proof.clauses) == 5


def test_a_cut_that_the_shop_does_not_have_is_a_usage_error_that_names_those_it_has(settings, monkeypatch):
    shop = SimpleNamespace(PROOFS=[a_proof()], TOPOLOGIES=("monolith", "users-out"))
    monkeypatch.setitem(sys.modules, "a_shops_proofs", shop)
    settings.FISSILE = {**settings.FISSILE, "proofs": "a_shops_proofs"}

    with pytest.raises(CommandError, match="no cut sideways; there are monolith, users-out") as refused:
        call_command("prove", topology="sideways")

    assert refused.value.returncode == 2
