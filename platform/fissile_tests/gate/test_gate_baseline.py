"""The baseline as a value: what is known, what is new, what is no longer needed, and how it is written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fissile.gate import baseline as baselines
from fissile.gate.findings import Finding
from fissile.gate.options import GateError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "baseline.json"


@pytest.fixture
def tie(tmp_path):
    return Finding(
        path=tmp_path / "loans" / "views.py", line=3, rule_id="BND001", context="loans", other="library",
        what="loans.views imports library.models",
    )  # fmt: skip


def test_what_is_written_is_read_again(path, tie):
    first = baselines.following(path, None, [tie, replace(tie, line=9)], ())
    path.write_text(first.text())

    assert baselines.load(path) == first
    assert list(first.entries.values()) == [2]


def test_the_same_findings_in_any_order_give_the_same_bytes(path, tie):
    other = replace(tie, context="billing")

    assert baselines.following(path, None, [tie, other], ()).text() == (
        baselines.following(path, None, [other, tie], ()).text()
    )


def test_no_path_of_this_machine_is_written(path, tie, tmp_path):
    assert str(tmp_path) not in baselines.following(path, None, [tie], ()).text()


def test_of_findings_alike_the_later_ones_are_new(path, tie):
    known = baselines.following(path, None, [tie], ())

    compared = baselines.compare(known, [tie, replace(tie, line=9)], ())

    assert (compared.known, compared.new) == ((tie,), (replace(tie, line=9),))


def test_one_less_of_two_alike_is_no_longer_needed(path, tie):
    known = baselines.following(path, None, [tie, replace(tie, line=9)], ())

    assert baselines.compare(known, [tie], ()).unneeded.total() == 1


@pytest.mark.parametrize("absent", ["loans", "library"])
def test_a_context_that_is_not_installed_here_keeps_its_entries(path, tie, absent):
    known = baselines.following(path, None, [tie], ())

    assert baselines.compare(known, [], {absent}).unneeded.total() == 0
    assert baselines.following(path, known, [], {absent}) == known


def test_shrinking_leaves_no_reason_behind_and_growing_does(path, tie):
    known = baselines.following(path, None, [tie], ())
    grown = baselines.following(path, known, [tie, replace(tie, context="billing")], (), reason="merged")
    shrunk = baselines.following(path, grown, [tie], ())

    assert grown.growth == ({"added": 1, "reason": "merged"},)
    assert (shrunk.entries, shrunk.growth) == (known.entries, grown.growth)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "boundaries-baseline/9", "findings": [], "growth": []}'])
def test_a_file_that_is_no_baseline_is_refused_with_a_way_out(path, text):
    path.write_text(text)

    with pytest.raises(GateError, match="is no baseline") as wrong:
        baselines.load(path)

    assert "version control" in wrong.value.hint
