"""The same requests give the same answers, events and rows, whole and cut apart, on both tiers.

A short run of the suite; `make parity` runs every cut, and more requests.
"""

from __future__ import annotations

import pytest

from tests.topologies.parity import FOLDER, write
from tests.topologies.suite import Result, run
from tests.topologies.workload import workload

pytestmark = pytest.mark.house
PLAN = workload(seed=1, requests=300)
REFERENCE = ("monolith", "embedded")
OTHERS = [("split", "embedded"), ("monolith", "real"), ("orders-out", "real"), ("split-twice", "real")]


@pytest.fixture(scope="module")
def reference() -> Result:
    """The workload through the monolith on the embedded tier."""
    return run(PLAN, [REFERENCE])


@pytest.mark.parametrize("cell", OTHERS, ids="-".join)
def test_a_cut_or_another_tier_changes_nothing(reference, cell):
    result = run(PLAN, [cell], reference=reference)

    page = write(result, FOLDER, f"test-{'-'.join(cell)}")
    assert [str(difference) for difference in result.comparisons[0].differences] == [], page
    assert result.is_same
    assert result.reference.strange == result.comparisons[0].cut.strange == []
