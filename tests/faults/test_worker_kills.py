"""Five kill -9 over three hundred orders, in every cell: nothing lost, doubled or out of order, and the money right."""

from __future__ import annotations

import pytest

from tests.faults import checks, worker_kills
from tests.faults.reading import tapped
from tests.house import CELLS, running_house

pytestmark = pytest.mark.house


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_every_accepted_order_survives_five_kills_of_the_workers(cell):
    with running_house(*cell) as house, tapped(house) as taps:
        journal = worker_kills.run(house, orders=300, kills=5, seed=22)
        found = checks.findings(house, journal, taps)
        journal.close(is_needed=bool(found.violations))

    assert found.violations == []
    assert found.publication.committed > 0
    assert len(journal.accepted) >= 300
    assert len(journal.kills) == 5, journal.kills
