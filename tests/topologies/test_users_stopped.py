"""Split, users stopped: known buyers are served, a stranger waits, the dashboard says what is missing."""

from __future__ import annotations

import time

import pytest

from bff_app.management.shop import eventually, expect
from tests.house import running_house

pytestmark = pytest.mark.house
KNOWN = "SELECT count(*) FROM orders_buyer_copy"


@pytest.mark.parametrize("tier", ["embedded", "real"], ids=lambda tier: f"split-{tier}")
def test_orders_lives_on_while_users_is_stopped(tier):
    with running_house("split", tier) as house:
        rosa = house.shop.sign_up("Rosa")
        eventually(lambda: house.shop.place(rosa).status == 201, within_seconds=10, what="rosa is known")
        known = lambda: house.rows("orders", f"{KNOWN} WHERE name = 'Rosa'") == [(1,)]  # noqa: E731
        eventually(known, within_seconds=10, what="rosa's copy in orders")
        house.processes.stop(house.holder("orders", "worker"))
        stranger = house.shop.sign_up("Stranger")
        for kind in ("web", "worker"):
            house.processes.stop(house.holder("users", kind))

        order = expect(house.shop.place(rosa), 201).body
        began = time.monotonic()
        refused = house.shop.place(stranger)
        seconds = time.monotonic() - began
        dashboard = expect(house.shop.dashboard(rosa), 200).body

        assert order["status"] == "placed"
        assert refused.status == 503
        assert refused.headers["content-type"].startswith("application/problem+json")
        assert int(refused.headers["retry-after"]) >= 1
        assert seconds < 2, "a promise of the shop, with ten times its usual need to spare"
        assert dashboard["profile"] is None
        assert [part["part"] for part in dashboard["missing"]] == ["profile"]
        for kind in ("web", "worker"):
            house.processes.start(house.holder("users", kind))
        house.processes.wait_ready(house.holder("users", "web"))
        expect(house.shop.place(stranger), 201)
