"""The published rates of the gate are those of the committed verdicts, and a seed draws one sample."""

from __future__ import annotations

import json

import pytest

from tests.bench import gate_sample


def _document(folder: str, rules: list[str]) -> str:
    found = [
        {"rule": rule, "path": f"{folder}/site-packages/shop/views.py", "line": line, "other": "users"}
        for line, rule in enumerate(rules, start=1)
    ]
    return "a banner of the project\n" + json.dumps({"schema": "cli/1", "data": {"findings": found}})


def test_the_page_has_the_rates_of_the_committed_verdicts():
    committed = gate_sample.PAGE.read_text(encoding="utf-8")

    assert committed == gate_sample.page(), "write it again: python -m tests.bench.gate_sample rates"


def test_a_seed_draws_the_same_findings_wherever_the_project_is_installed():
    rules = ["BND001", "BND013"] * 20

    here, there = (
        gate_sample.draw(gate_sample.findings(_document(folder, rules)), seed=7, size=5, past_imports=False)
        for folder in ("../venv/lib", "/opt/lib")
    )

    assert [one["line"] for one in here] == [one["line"] for one in there]
    assert {one["file"] for one in here} == {"shop/views.py"}


def test_past_imports_means_all_rules_but_that_of_imports():
    found = gate_sample.findings(_document("lib", ["BND001", "BND013", "BND001", "BND040"]))

    drawn = gate_sample.draw(found, seed=7, size=30, past_imports=True)

    assert {one["rule"] for one in drawn} == {"BND013", "BND040"}


# Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81 of 263, 15 of 148, 0 of 20.
@pytest.mark.parametrize(
    ("wrong", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)],
)
def test_the_interval_is_wilsons(wrong, of, low, high):
    assert gate_sample.interval(wrong, of) == pytest.approx((low, high), abs=5e-5)
