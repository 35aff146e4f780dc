"""A short run of F01: every crash point once in one shop, two wrong designs that must be seen. And the page."""

from __future__ import annotations

import pytest

from fissile.crash_points import POINTS
from tests.faults import page, poison
from tests.faults.campaign import LISTS, is_good
from tests.faults.controls import HANGS_TOTAL, KILLS_TOTAL, RAISES_TOTAL
from tests.faults.rows import ROWS, Run
from tests.faults.running import run


@pytest.mark.house
def test_a_kill_at_every_point_loses_and_doubles_nothing():
    result = run(Run(row="F01", topology="monolith", tier="embedded", seed=3))

    assert result["violations"] == {}, result["examples"]
    # Three of them are passed by the web process and by the worker.
    assert sorted(result["faults"]) == sorted(POINTS)
    assert sum(result["faults"].values()) == len(POINTS) + 3
    assert result["events"]["committed"] > 100


@pytest.mark.house
@pytest.mark.parametrize(("control", "invariant"), [("mark-before-confirm", "I5"), ("ack-before-commit", "I6")])
def test_a_wrong_design_turns_the_checks_red(control, invariant):
    place = {"topology": "monolith", "tier": "embedded", "seed": 3}
    result = run(Run(row="F01", **place, control=control, options={"kills": 1}))

    assert invariant in result["violations"], result["violations"]
    assert sum(result["faults"].values()) > 0


@pytest.mark.house
def test_no_bystander_of_an_event_whose_handler_raises_is_parked():
    options = {"raising": 1, "killing": 0, "hanging": 0}
    result = run(Run(row="F17", topology="monolith", tier="embedded", seed=3, options=options))

    assert result["violations"] == {}, result["examples"]
    lag = result["figures"]["lag"]
    assert len(lag["parked_after_seconds"]["raising"]) == 1
    assert lag["phases"]["raising"]["same_consumer"]["count"] > poison.BYSTANDERS


@pytest.mark.house
@pytest.mark.parametrize(("control", "caught"), [("", []), ("every-lane", ["I10"])])
def test_three_workers_share_the_lanes_and_without_a_lease_publish_again(control, caught):
    asked = Run(row="F28", topology="monolith", tier="embedded", seed=3, control=control, options={"orders": 30})

    assert list(run(asked)["violations"]) == caught


def test_the_page_says_what_the_filed_results_say():
    assert page.PAGE.read_text(encoding="utf-8") == page.page(page.filed()), f"write it again: {page.COMMAND}"


def test_every_filed_result_is_of_a_known_row_and_ended_as_it_must():
    for result in page.filed():
        controls = ROWS[result["row"]].controls
        assert result["control"] in ("", *controls)
        assert is_good(result), result


def test_each_row_has_a_control_and_each_run_a_name_of_its_own():
    assert [name for name, row in ROWS.items() if not row.controls] == []

    for runs in LISTS.values():
        names = [asked.name for asked in runs()]
        assert len(names) == len(set(names))


def test_the_poison_is_what_the_price_list_makes_it():
    from apps.orders.seed import PRICE_LIST

    prices = {sku: price for sku, _, price in PRICE_LIST}

    assert [prices[sku] for sku in (*poison.RAISES, *poison.KILLS, *poison.HANGS)] == [
        RAISES_TOTAL, KILLS_TOTAL, HANGS_TOTAL,
    ]  # fmt: skip
