"""The parts of the parity suite by themselves: plans, normalisation, comparison, report. No processes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from bff_app.management.shop import Reply
from deploy.local.house import TOPOLOGIES
from settings.contexts import CONTEXTS
from tests.topologies import report
from tests.topologies.differences import compare
from tests.topologies.parity import cells_of, command
from tests.topologies.plan import Writer
from tests.topologies.planted import SHORTCUTS
from tests.topologies.playing import Record, says_not_now
from tests.topologies.seen import Seen, seen
from tests.topologies.suite import CUTS, EVERYTHING, Result
from tests.topologies.workload import workload

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
REFERRED = re.compile(r"\{(\d+)\.\w+\}")


def reply(status=200, body=None, **headers):
    return Reply(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}, body=body)


def one_by_one(*names):
    """A plan of single requests, all in one script."""
    writer = Writer()
    for name in names:
        writer.ask(name, "GET", f"/{name}", who=1)
    return writer.plan("plan", 1)


def run_of(plan, answers, tables=None, cut="monolith"):
    record = Record(cut=cut, tier="embedded", answers=answers, tables=tables or {}, began=NOW, ended=NOW)
    return seen(plan, record)


def uuid(number):
    return str(UUID(int=number + 2**100))


# -- plans -----------------------------------------------------------------------------------------------


def test_a_seed_always_makes_the_same_plan_and_another_seed_another():
    assert workload(1, 400) == workload(1, 400)
    assert workload(1, 400) != workload(2, 400)
    assert len(workload(1, 2_000).steps()) >= 2_000


def test_everything_that_people_do_is_in_a_full_workload():
    done = {step.what.split(" (")[0] for step in workload(1, 2_000).steps().values()}

    assert done >= {
        "sign-up", "log-in", "refresh", "rename", "profile", "order", "reading an order", "cancellation", "list",
        "next page", "dashboard", "bad token", "wrong door", "open page",
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_no_request_hangs_on_one_that_may_be_under_way(seed):
    plan = workload(seed, 600)
    done: set[int] = set()
    for scripts in plan.rounds:
        for script in scripts:
            in_this_script: set[int] = set()
            for beat in script:
                for step in beat:
                    words = json.dumps([step.path, step.token, step.body])
                    assert {int(number) for number in REFERRED.findall(words)} <= done | in_this_script
                in_this_script |= {step.number for step in beat}
        done |= {step.number for script in scripts for beat in script for step in beat}


@pytest.mark.parametrize("seed", range(5))
def test_nobody_is_in_two_places_in_one_round(seed):
    for scripts in workload(seed, 600).rounds:
        people = [{step.who for beat in script for step in beat} for script in scripts]

        assert all(len(each) == 1 for each in people)
        assert len(set().union(*people)) == len(people)


# -- what is made alike ------------------------------------------------------------------------------------


def test_other_ids_moments_and_tokens_of_the_same_run_are_the_same():
    plan = one_by_one("sign-up", "order")
    runs = []
    for first, at in ((7, "2026-01-01T12:00:00.5Z"), (700, "2026-01-01T12:03:01Z")):
        user, order = uuid(first), uuid(first + 1)
        answers = {
            1: reply(201, {"id": user, "created_at": at}, date=at),
            2: reply(201, {"id": order, "buyer": user}, location=f"/orders/{order}"),
        }
        tables = {"orders_order": [{"id": order.replace("-", ""), "buyer_id": UUID(user), "placed_at": NOW}]}
        runs.append(run_of(plan, answers, tables))

    assert compare(plan, *runs).is_same
    assert runs[0].answers[2]["headers"] == {"location": "/orders/id-2"}
    assert runs[0].rows == {"orders_order": [{"id": "id-2", "buyer_id": "id-1", "placed_at": "<moment>"}]}
    assert runs[0].met["id"] == 6


def test_a_reference_to_another_row_is_a_difference():
    plan = one_by_one("order", "order", "dashboard")
    answers = {number: reply(201, {"id": uuid(number)}) for number in (1, 2)}

    first = run_of(plan, {**answers, 3: reply(200, {"newest": uuid(2)})})
    other = run_of(plan, {**answers, 3: reply(200, {"newest": uuid(1)})})

    assert [str(difference) for difference in compare(plan, first, other).differences] == [
        'dashboard of request 3 (GET /dashboard, person 1): body.newest: "id-2" → "id-1"'
    ]


def test_an_id_too_many_renames_no_other():
    plan = one_by_one("order", "order")
    second = {2: reply(201, {"id": uuid(2)})}

    found = compare(
        plan,
        run_of(plan, {1: reply(422, {"code": "no"}), **second}),
        run_of(plan, {1: reply(201, {"id": uuid(1)}), **second}),
    )

    assert [difference.number for difference in found.differences] == [1]


def test_a_moment_outside_of_the_run_is_compared_as_it_is():
    plan = one_by_one("order")

    found = run_of(plan, {1: reply(200, {"at": "2019-05-05T00:00:00Z"})})

    assert found.answers[1]["body"] == {"at": "2019-05-05T00:00:00Z"}


def test_what_a_rule_expected_and_did_not_find_is_reported_and_compared():
    plan = one_by_one("log-in")

    found = run_of(plan, {1: reply(200, {"refresh_token": "short"})})

    assert found.answers[1]["body"] == {"refresh_token": "short"}
    assert found.strange == ["refresh_token: 'short' is no refresh_token"]


def test_ids_that_no_answer_named_are_told_apart_by_what_is_tied_to_them():
    plan = one_by_one("log-in")

    def tables(used, unused):
        families = [{"id": uuid(used), "user": "a"}, {"id": uuid(unused), "user": "a"}]
        tokens = [{"family_id": uuid(used), "used": 1}, {"family_id": uuid(unused), "used": 0}]
        return {"users_family": families, "users_token": tokens}

    first, swapped = (run_of(plan, {1: reply()}, tables(*order)) for order in ((10, 20), (20, 10)))
    crossed = tables(10, 20)
    crossed["users_token"][1]["family_id"] = uuid(10)

    assert compare(plan, first, swapped).is_same
    assert not compare(plan, first, run_of(plan, {1: reply()}, crossed)).is_same


def race(*replies, key="k"):
    writer = Writer()
    writer.race("order", "POST", "/orders", len(replies), headers={"idempotency-key": key} if key else {})
    plan = writer.plan("race", 1)
    return plan, run_of(plan, dict(enumerate(replies, 1)))


FRESH = reply(201, {"id": uuid(1)})
REPLAY = reply(201, {"id": uuid(1)}, idempotency_replayed="true")
IN_USE = reply(409, {"code": "idempotency_key_in_use"})


def test_of_a_race_for_one_key_it_does_not_matter_who_wins_or_how_the_others_lose():
    plan, first = race(FRESH, REPLAY, IN_USE)
    _, other = race(IN_USE, IN_USE, FRESH)

    assert compare(plan, first, other).is_same


@pytest.mark.parametrize(
    "odd", [FRESH, reply(201, {"id": uuid(2)}), reply(500, {"code": "internal"}), replace(REPLAY, body={"id": uuid(9)})]
)
def test_a_second_fresh_answer_or_any_other_loser_of_a_race_is_a_difference(odd):
    plan, first = race(FRESH, REPLAY, IN_USE)
    _, other = race(FRESH, REPLAY, odd)

    assert not compare(plan, first, other).is_same


@pytest.mark.parametrize(
    ("answer", "is_asked_again"),
    [
        (reply(503, {"code": "unreachable"}), True),
        (reply(200, {"profile": None, "missing": [{"part": "profile", "reason": "late"}]}), True),
        (reply(200, {"profile": {"name": "Rosa"}, "missing": []}), False),
        (reply(504, {"code": "uncertain"}), False),
        (reply(500, {"code": "internal"}), False),
        (reply(204), False),
    ],
)
def test_only_who_is_told_that_nothing_was_done_asks_again(answer, is_asked_again):
    assert says_not_now(answer) is is_asked_again


# -- what differs, and where it comes from -----------------------------------------------------------------


def test_events_and_rows_name_the_request_that_they_come_from():
    plan = one_by_one("order", "cancellation")
    answers = {1: reply(201, {"id": uuid(1)}), 2: reply(200, {"id": uuid(1)})}

    def tables(*types, total=5):
        events = [
            {"id": uuid(50 + n), "aggregate": f"order/{uuid(1)}", "version": n, "type": type_,
             "headers": {"correlationid": f"parity-{n}"}, "seq": 9}
            for n, type_ in enumerate(types, 1)
        ]  # fmt: skip
        return {"orders_outbox": events, "bff_totals": [{"buyer_id": uuid(1), "total": total}]}

    first = run_of(plan, answers, tables("placed", "cancelled"))
    other = run_of(plan, answers, tables("placed", total=6), cut="split")
    found = compare(plan, first, other)

    assert found.compared == {"answers": 2, "events": 2, "rows": 1}
    event, row = found.differences
    assert str(row).startswith("row of bff_totals after order of request 1 (GET /order, person 1): total: 5 → 6")
    assert event.what == "events of orders order/id-1 after cancellation of request 2 (GET /cancellation, person 1)"
    assert event.places[0].cut == "nothing"


def test_rows_are_held_against_the_row_about_the_same_thing():
    plan = one_by_one("sign-up", "sign-up")
    answers = {number: reply(201, {"id": uuid(number)}) for number in (1, 2)}

    def tables(*limits):
        return {"orders_buyer": [{"buyer_id": uuid(number), "limit": limit} for number, limit in enumerate(limits, 1)]}

    found = compare(plan, run_of(plan, answers, tables(50, 80)), run_of(plan, answers, tables(90, 60)))

    assert [str(place) for row in found.differences for place in row.places] == ["limit: 50 → 90", "limit: 80 → 60"]


def test_a_status_is_named_before_all_else_that_differs_in_an_answer():
    plan = one_by_one("dashboard")

    found = compare(plan, run_of(plan, {1: reply(200, {"a": 1})}), run_of(plan, {1: reply(500, {"b": 2}, allow="GET")}))

    assert str(found.differences[0]).startswith("dashboard of request 1 (GET /dashboard, person 1): status: 200 → 500;")


def test_a_run_that_never_came_to_rest_is_not_the_same():
    plan = one_by_one("order")
    other = replace_unrest(run_of(plan, {1: reply()}))

    assert not compare(plan, run_of(plan, {1: reply()}), other).is_same


def replace_unrest(found: Seen) -> Seen:
    return replace(found, unrest="round 1 never came to rest")


# -- report and cuts ---------------------------------------------------------------------------------------


def a_result():
    plan = one_by_one("dashboard")
    first = run_of(plan, {1: reply(200, {"name": "<b>&"})})
    other = run_of(plan, {1: reply(500, {"name": "</p>"})}, cut="split")
    seconds = {first.name: 1.0, other.name: 2.0}
    return Result(plan=plan, reference=first, comparisons=[compare(plan, first, other)], seconds=seconds)


def test_the_report_is_one_page_that_asks_nobody_for_anything():
    page = report.as_html(a_result())

    assert not re.search(r"https?://|<link|<script|src=|url\(|@import", page)
    assert "prefers-color-scheme: dark" in page
    assert "dashboard of request 1 (GET /dashboard, person 1)" in page
    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;" in page


def test_the_report_as_json_has_every_difference_with_its_request():
    found = json.loads(report.as_json(a_result()))

    assert found["same"] is False
    (cut,) = found["cuts"]
    assert cut["name"] == "split, embedded"
    assert cut["differences"][0]["request"] == 1
    assert cut["differences"][0]["places"][0] == {"where": "status", "reference": "200", "cut": "500"}


def test_the_whole_suite_has_every_cut_on_the_real_tier_and_begins_with_the_monolith():
    assert cells_of(None, list(CUTS)) == list(EVERYTHING)
    assert [cut for cut, tier in EVERYTHING if tier == "real"] == list(TOPOLOGIES)
    assert cells_of("real", ["split"]) == [("monolith", "real"), ("split", "real")]


def test_a_run_tells_the_command_that_runs_exactly_it_again():
    assert command(7, 2000, None, list(CUTS)) == "make parity SEED=7 REQUESTS=2000"
    assert (
        command(7, 150, "embedded", ["users-out", "split"])
        == 'make parity SEED=7 REQUESTS=150 TIER=embedded CUTS="users-out split"'
    )


def test_a_shortcut_breaks_the_cuts_that_part_what_it_ties():
    by_name = {shortcut.plant: shortcut.breaks for shortcut in SHORTCUTS}

    assert len(by_name) == 10
    assert by_name["share_a_cache_key"] == {"users-out", "bff-out", "split", "split-twice"}
    assert by_name["send_a_signal"] == {"orders-out", "users-out", "split", "split-twice"}
    # One context's own state: only a second process of it parts anything.
    assert by_name["count_in_a_module_global"] == by_name["write_a_local_file"] == {"split-twice"}
    for shortcut in SHORTCUTS:
        assert set(shortcut.ties) <= set(CONTEXTS)
        assert len(shortcut.plan().steps()) <= 60
