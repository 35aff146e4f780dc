"""The relay and the inbox keep their promises in thousands of seeded schedules, and no wrong design of them does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .campaign import Outcome, earlier, explained, open_results, pinned, run_shard, seeds_of
from .minimise import failure_of, minimised
from .mutants import MUTANTS
from .pairs import PAIRS
from .parts import Patch, PatchDoesNotFit, fingerprint, load
from .schedule import Schedule, schedule_of
from .totals import BEGINS, ENDS, PAGE, TOTALS, Overlap, added_up, figures

SCHEDULES = 5000
PINNED = pinned()
MUTANT = {mutant.name: mutant for mutant in MUTANTS}
CORE_MUTANTS = [mutant for mutant in MUTANTS if not mutant.patches[0].file.startswith("simulation/")]
ROOT = Path(__file__).parents[3]


def test_thousands_of_schedules_break_nothing_and_kill_at_every_effect():
    outcome = Outcome()

    for seed in range(SCHEDULES):
        outcome.run(seed)

    assert outcome.failures == [], explained(outcome.failures[0]["seed"])[1]
    assert outcome.never_crashed() == []
    assert outcome.unknown() == []


@pytest.mark.parametrize("line", PINNED, ids=lambda line: f"{line['mutant'] or line['why']}".replace(" ", "_"))
def test_a_pinned_schedule_is_clean_on_the_real_machines_and_kills_its_mutant(line):
    assert failure_of(line["schedule"]) == ""
    if line["mutant"]:
        assert failure_of(line["schedule"], load(MUTANT[line["mutant"]].patches)) != ""


def test_every_mutant_has_a_pinned_schedule_and_every_pin_its_mutant():
    assert {line["mutant"] for line in PINNED if line["mutant"]} == set(MUTANT)
    assert len(MUTANT) == len(MUTANTS)
    assert len(CORE_MUTANTS) >= 34


def test_the_page_quotes_what_is_filed_and_the_number_of_mutants():
    page, totals = PAGE.read_text(), json.loads(TOTALS.read_text())

    assert f"{BEGINS}{figures(totals)}{ENDS}" in page
    assert f"holds {len(MUTANTS)} small changes, each a sentence: {len(CORE_MUTANTS)} of" in page


def results_of(path, *spans, source=None):
    lines = [{"source": source or fingerprint(), "seeds": [first, last], "schedules": last - first + 1, "steps": 10,
              "failures": [], "points": {}, "crashed": {" ".join(PAIRS[0]): 3}} for first, last in spans]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_results_of_several_files_add_up_once_each_and_never_of_another_source(tmp_path):
    one = results_of(tmp_path / "1.jsonl", (0, 199), (400, 599))
    two = results_of(tmp_path / "2.jsonl", (200, 399))
    other = results_of(tmp_path / "3.jsonl", (900, 999), source="of another day")

    filed = added_up([one, other])
    both = added_up([one, two, other], filed)

    assert filed["schedules"] == 400
    assert filed["seeds"] == [(0, 199), (400, 599)]
    assert both["seeds"] == [(0, 599)]
    assert both["killed_at"][" ".join(PAIRS[0])] == 9
    assert added_up([two], {**both, "source": "of another day"})["schedules"] == 200
    with pytest.raises(Overlap, match="500 to 699"):
        added_up([results_of(tmp_path / "4.jsonl", (500, 699))], both)


def test_a_schedule_follows_from_its_seed_and_survives_being_written_down():
    first, again = schedule_of(17, PAIRS), schedule_of(17, PAIRS)

    assert first == again == Schedule.from_json(first.to_json())


TELL_TWENTY_SEEDS = """
from tests.faults.simulation.campaign import trace_of
from tests.faults.simulation.pairs import PAIRS
from tests.faults.simulation.schedule import schedule_of
for seed in range(20):
    print(trace_of(schedule_of(seed, PAIRS), lines=100_000))
"""


def test_a_seed_gives_the_same_run_in_every_process():
    told = [
        subprocess.run(
            [sys.executable, "-c", TELL_TWENTY_SEEDS], cwd=ROOT, check=True, capture_output=True, timeout=60,
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}"},
        ).stdout
        for hash_seed in ("1", "2")
    ]  # fmt: skip

    assert told[0] == told[1]
    assert told[0].count(b"\n") > 1000


def test_a_patch_that_does_not_match_its_source_once_fails_loudly():
    with pytest.raises(PatchDoesNotFit, match="0 times"):
        load([Patch("inbox/core.py", "this line is not in the inbox", "")])
    with pytest.raises(PatchDoesNotFit, match="no such part"):
        load([Patch("inbox/nothing.py", "a", "b")])


def test_a_failing_schedule_is_made_smaller_and_still_fails_in_the_same_way():
    parts = load(MUTANT["a fence is not compared"].patches)
    seed = next(seed for seed in range(500) if failure_of(schedule_of(seed, PAIRS), parts))
    whole = schedule_of(seed, PAIRS)

    smaller = minimised(whole, parts)

    assert failure_of(smaller, parts) == failure_of(whole, parts)
    assert len(smaller.writes) + len(smaller.faults) < len(whole.writes) + len(whole.faults)


def test_shards_share_out_all_seeds_and_a_broken_off_one_goes_on_where_it_stopped(tmp_path):
    shards = [seeds_of(100, 407, shard, 3) for shard in (1, 2, 3)]
    assert [seed for shard in shards for seed in shard] == list(range(100, 507))
    path = tmp_path / "results.jsonl"
    with path.open("w") as results:
        next(run_shard(range(100, 500), results))
        results.write('{"torn')

    outcome, done = earlier(path, range(100, 500))

    assert done == outcome.schedules == 200
    with open_results(path) as results:
        assert [block.schedules for block in run_shard(range(100, 500), results, done)] == [200]
    assert earlier(path, range(100, 500))[1] == 400
