"""What the speed table rests on: counts that see a difference, a page that says what the files say. No times."""

from __future__ import annotations

import json
import struct
from types import SimpleNamespace

import pytest

from fissile.messages import decode_envelope
from tests.bench import clients, ground, measures, page, timed
from tests.bench.campaign import ROUNDS
from tests.bench.counting import Difference, ensure_in_order, ensure_same
from tests.bench.source import SOURCES
from tests.bench.table import ROWS, Goal
from tests.house import ROOT


class _Delivered(SimpleNamespace):
    content_type = "application/cloudevents+json"


@pytest.fixture
def queued(monkeypatch):
    """Let the queue hold these messages for one look."""

    def hold(messages):
        monkeypatch.setattr(ground, "keeper", lambda: "")
        deliveries = [_Delivered(body=one.body) for one in messages]
        monkeypatch.setattr(clients, "drain", lambda *_: deliveries)

    return hold


def test_a_queue_with_every_message_once_and_in_order_is_accepted(queued):
    messages = ground.outgoing(40, seed=1)
    queued(messages)

    measures.ensure_in_queue([one.id for one in messages], "relay")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda messages: messages[:-1], "1 missing, 0 too many"),
        (lambda messages: [*messages, messages[-1]], "0 missing, 1 too many"),
        (lambda messages: [*messages[1:], messages[0]], "came after 0"),
    ],
    ids=["missing", "doubled", "out of order"],
)
def test_relay_and_backlog_fail_when_the_queue_differs(queued, damage, says):
    messages = ground.outgoing(40, seed=1)
    queued(damage(messages))

    with pytest.raises(Difference, match=says):
        measures.ensure_in_queue([one.id for one in messages], "relay")


@pytest.mark.parametrize(("effects", "says"), [([], "3 missing"), (["a", "b", "c", "c"], "1 too many")])
def test_inbox_and_latency_fail_when_an_effect_is_missing_or_doubled(monkeypatch, effects, says):
    monkeypatch.setattr(ground, "effects_in_table", lambda: effects)
    monkeypatch.setattr(ground, "queue_length", lambda: 0)

    with pytest.raises(Difference, match=says):
        measures.ensure_effects(["a", "b", "c"], "inbox")


def test_inbox_and_latency_fail_when_a_message_is_left_in_the_queue(monkeypatch):
    monkeypatch.setattr(ground, "effects_in_table", lambda: ["a"])
    monkeypatch.setattr(ground, "queue_length", lambda: 1)

    with pytest.raises(Difference, match="queue: 1 left"):
        measures.ensure_effects(["a"], "inbox")


@pytest.mark.parametrize("rows", [57, 59])
def test_wakeup_fails_when_the_outbox_has_not_a_row_for_each_commit(monkeypatch, rows):
    monkeypatch.setattr(ground, "ask", lambda *_: [(rows,)])

    with pytest.raises(Difference, match="1 left"):
        timed.ensure_rows(58)


def test_of_a_mapping_the_keys_are_compared():
    ensure_same(["a", "b"], {"a": 5.0, "b": 7.5}, "here")

    with pytest.raises(Difference, match="1 missing"):
        ensure_same({"a": 5.0, "b": 7.5}, ["a"], "here")


def test_a_version_that_is_left_out_is_a_difference():
    with pytest.raises(Difference, match="version 3 of x came after 1"):
        ensure_in_order([("x", 1), ("y", 1), ("x", 3)], "here")


def test_one_message_in_ten_is_a_duplicate_behind_its_first_copy():
    messages = ground.outgoing(200, seed=4)

    mixed = measures.with_duplicates(messages, seed=4)

    assert len(mixed) == 220
    seen = [one.id for one in mixed]
    assert list(dict.fromkeys(seen)) == [one.id for one in messages]


def test_a_prepared_message_is_about_a_kibibyte_and_can_be_read():
    one = ground.outgoing(10, seed=2)[3]

    assert 900 < len(one.body) < 1_100
    assert str(decode_envelope(one.body, "application/json").id) == one.id


def test_the_hand_built_client_counts_single_and_multiple_acks_across_reads():
    def ack(tag, multiple):
        return clients._frame(1, 1, struct.pack(">HHQB", 60, 80, tag, multiple))

    wire = ack(2, 0) + ack(4, 1) + ack(5, 0)
    pieces = [wire[:5], wire[5:40], wire[40:]]
    acks = clients._Acks(SimpleNamespace(recv=lambda _: pieces.pop(0)))

    acks.sent(5)

    assert acks.read_until(0) == 0
    assert pieces == []


def test_the_hand_built_client_does_not_take_a_return_or_a_nack_for_a_confirm():
    nack = clients._frame(1, 1, struct.pack(">HHQB", 60, 120, 1, 0))
    acks = clients._Acks(SimpleNamespace(recv=lambda _: nack))
    acks.sent(1)

    with pytest.raises(Difference, match="did not take"):
        acks.read_until(0)


def test_the_page_says_what_the_filed_results_say():
    assert page.PAGE.read_text(encoding="utf-8") == page.page(page.filed()), f"write it again: {page.COMMAND}"


def test_the_page_follows_a_figure_of_a_file():
    results = json.loads(json.dumps(page.filed()))
    name = next(iter(results))
    for one in results[name]["rounds"]:
        one.update(dict.fromkeys(one, 4321.0))

    assert page.page(results) != page.page(page.filed())
    assert "4,321" in page.page(results)


def test_each_filed_result_has_what_its_row_tells_of_and_the_circumstances():
    for name, result in page.filed().items():
        assert result["row"] == name
        assert result["rounds"]
        for one in result["rounds"]:
            assert set(one) == set(ROWS[name].figures)
        assert result["command"].endswith(f"--seed {result['seed']}")
        assert len(result["load"]["before"]) == len(result["load"]["after"]) == 3
        assert result["postgresql"]["fsync"] == "on"


def test_a_goal_that_was_missed_comes_with_a_profile():
    for name, result in page.filed().items():
        if page.has_missed(ROWS[name], result):
            assert result.get("profile"), name


@pytest.mark.parametrize(("load", "says"), [(0.4, False), (1.0, False), (1.1, True), (9.0, True)])
def test_other_work_on_the_machine_is_told_of_where_the_load_shows_it(load, says):
    results = json.loads(json.dumps(page.filed()))
    for one in results.values():
        one["machine"], one["load"]["before"] = "2 cores, x86_64", [load, load, load]

    text = page.page(results)

    assert ("did other work" in text) == says
    assert (f"relay {load:.1f}" in text) == says


def test_a_row_without_a_file_is_said_to_be_unmeasured():
    text = page.page({})

    for row in ROWS.values():
        assert f"- {row.title}." in text.split("## Not measured")[1]


def test_every_row_can_be_measured_and_every_goal_names_figures_of_its_row():
    assert set(ROUNDS) == set(ROWS)
    for row in ROWS.values():
        for goal in row.goals:
            assert {goal.of, goal.to} <= set(row.figures)


def test_a_ratio_is_taken_inside_a_round():
    ratio, growth = Goal("", "a", "b", at_least=0.5), Goal("", "a", "b", at_most=50, is_difference=True)

    assert ratio.value({"a": 1.0, "b": 4.0}) == 0.25
    assert not ratio.is_reached(0.25)
    assert growth.value({"a": 91.0, "b": 40.0}) == 51.0
    assert not growth.is_reached(51.0)


def test_a_goal_inside_the_spread_is_said_to_be_unclear():
    rounds = [{"on": 98.0, "off": 100.0}, {"on": 50.0, "off": 100.0}, {"on": 99.0, "off": 100.0}]
    result = {**page.filed()["wakeup"], "rounds": [{**one, "in transaction": 1.0} for one in rounds]}

    assert "reached, in 2 of 3 rounds: unclear" in page.page({"wakeup": result})


def test_the_fingerprint_is_of_folders_that_exist():
    assert all((ROOT / folder).is_dir() for folder in SOURCES)
