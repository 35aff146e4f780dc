"""Proofs of patterns: named clauses observed from outside, and sabotages that must turn one of them red."""

from .proof import Clause, NotOffered, Proof, Red, Sabotage, Scene, catalogue
from .runner import ClauseResult, ProofResult, SabotageResult, prove, sabotage

__all__ = [
    "Clause",
    "ClauseResult",
    "NotOffered",
    "Proof",
    "ProofResult",
    "Red",
    "Sabotage",
    "SabotageResult",
    "Scene",
    "catalogue",
    "prove",
    "sabotage",
]
