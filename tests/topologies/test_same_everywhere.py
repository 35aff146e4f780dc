"""The same walk gives the same answers, events and rows, whole and cut apart, on both tiers."""

from __future__ import annotations

from difflib import unified_diff

import pytest

from tests.house import CELLS, running_house
from tests.topologies.transcript import Transcript, walk

pytestmark = pytest.mark.house
REFERENCE, *OTHERS = CELLS


@pytest.fixture(scope="module")
def reference() -> Transcript:
    """The walk through the monolith on the embedded tier."""
    with running_house(*REFERENCE) as house:
        return walk(house)


@pytest.mark.parametrize("cell", OTHERS, ids="-".join)
def test_a_cut_or_another_tier_changes_nothing(reference, cell):
    with running_house(*cell) as house:
        found = walk(house)

    assert "\n".join(unified_diff(reference.lines, found.lines, "-".join(REFERENCE), "-".join(cell), lineterm="")) == ""
