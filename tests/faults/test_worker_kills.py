"""Five kill -9 over three hundred orders, in every cell: nothing lost, nothing doubled, nothing out of order."""

from __future__ import annotations

import pytest

from tests.faults import worker_kills
from tests.house import CELLS, running_house

pytestmark = pytest.mark.house


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_every_accepted_order_survives_five_kills_of_the_workers(cell):
    with running_house(*cell) as house:
        journal = worker_kills.run(house, orders=300, kills=5, seed=22)
        faults = worker_kills.faults_of(house, journal)

    assert faults == []
    assert journal.accepted >= 300
    assert len(journal.kills) == 5, journal.kills
