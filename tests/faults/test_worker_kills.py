"""Five kill -9 over three hundred orders, in every cell: nothing lost, doubled or out of order, and the money right."""

from __future__ import annotations

import pytest

from bff_app.management.shop import eventually
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


def test_a_shop_is_not_quiet_while_nobody_has_heard_of_a_payment_for_a_cancelled_order():
    with running_house("split", "embedded") as house:
        payments = house.holder("payments", "worker")
        house.processes.kill(payments)
        tom = house.shop.sign_up("Tom")
        order = house.shop.place(tom).body["id"]
        assert house.shop.cancel(tom, order).status == 200
        eventually(lambda: shown(house, tom, order), within_seconds=60, what="the cancelled order on the dashboard")
        # The others hear of it, and of Tom, at their own time.
        last = [f"payments.orders: order/{order}@2"]
        eventually(lambda: house.unheard() == last, within_seconds=60, what="nobody but payments has yet to hear of it")

        assert house.is_all_sent()
        assert not house.is_quiet()

        house.processes.start(payments)
        house.wait_quiet(seconds=60)
        assert house.shop.payment(tom, order).body["status"] == "voided"


def shown(house, buyer, order):
    return house.is_all_sent() and house.shop.seen_on_dashboard(buyer, order, status="cancelled")
