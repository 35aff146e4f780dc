"""The twin of the inbox's store answers as the real one does, step by step, on whatever database the tests run."""

from __future__ import annotations

import random
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.db import transaction

from fissile.data.guard import writing
from fissile.events import isolated, threads
from fissile.events.inbox import core as inbox_core
from fissile.events.inbox import isolation, loop, received, sorting
from fissile.events.inbox import shell as inbox_shell
from fissile.events.inbox import store as inbox_store
from fissile.events.relay import shell as relay_shell
from fissile.events.relay import store as relay_store

from . import inbox_process, inbox_statements, processes, relay_process, relay_statements
from .database import Database, UniqueViolation
from .mutants import MUTANTS
from .parts import load

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)

CONSUMER = "shoplet.depot"
# Longer than any test: what waits that long does not come due under one.
LATER = 3600.0
SEEDS = 6
# A wrong twin shows itself after a few; which aggregates share a lane differs from run to run, and so does how many.
MANY_SEEDS = 300
# Wrong in what they answer; what is wrong with the others' locks takes two processes to see.
WRONG_INBOXES = (
    "an outcome leaves its row waiting",
    "an applied event does not wake its successor",
    "a mark does not keep others off",
    "late duplicates stay",
    "rows behind a parked head are never put to sleep",
)


class Hands:
    """A process's transaction in the simulated database, with nobody else about."""

    name = "hands"
    soonest = 0.0

    def __init__(self, database):
        self.database, self.tx = database, None

    def begin(self):
        self.tx = self.database.begin(self)
        return self.tx

    def commit(self):
        self.database.commit(self.tx)
        self.tx = None

    def rollback(self):
        self.database.rollback(self.tx)
        self.tx = None

    def random(self):
        return 0.0

    def mark_seconds(self, attempt):
        return LATER

    def after(self, seconds):
        return self.database.now + seconds

    def clock(self):
        return self.database.now


def finish(step):
    """Run a twin's statement to its end and return its answer; nobody else runs, so it never waits."""
    while True:
        try:
            assert next(step) is None, "a statement waits for a lock that nobody holds"
        except StopIteration as end:
            return end.value


class BothInboxes:
    """Runs each statement on the real store and on its twin, and compares answers and tables."""

    def __init__(self, statements=inbox_statements):
        self.real = inbox_store.InboxStore("shoplet", CONSUMER)
        self.database = Database(lambda tx: None, lambda places: None)
        parts = SimpleNamespace(inbox=inbox_core, sorting=sorting)
        self.twin = statements.InboxStatements(self.database, parts, CONSUMER)
        self.hands = Hands(self.database)

    def ensure(self, names):
        self.real.ensure(names)
        finish(self.twin.ensure(self.hands, names))

    def together(self, on_real, on_twin):
        """Do one thing in a transaction on either side; both succeed with the same answer, or both break a rule."""
        try:
            with writing("shoplet"), transaction.atomic(using="shoplet"):
                real = on_real()
        except Exception as wrong:  # noqa: BLE001 - whatever a driver calls it
            real = type(wrong).__name__
        self.hands.begin()
        try:
            twin = finish(on_twin())
            self.hands.commit()
        except UniqueViolation:
            self.hands.rollback()
            twin = "IntegrityError"
        assert real == twin
        assert self.tables_of_real() == self.tables_of_twin()
        # Not in order: rows of one statement differ by a microsecond on a server, and not at all on the twin.
        assert set(self.real.look(None).aggregates) == set(finish(self.twin.look(None)))
        return real

    def heads(self, names):
        return self.together(lambda: self.real.lock(names, wait=True), lambda: self.twin.lock(self.hands, names, True))

    def tables_of_real(self):
        rows = {
            row.message_id: (row.aggregate, row.version, row.state, row.attempts,
                             row.due is None, row.marked_until is None)
            for row in self.real.rows
        }  # fmt: skip
        return rows, {one.aggregate: (one.applied_version, one.last_id) for one in self.real.positions}

    def tables_of_twin(self):
        rows = {
            key: (row["message"].aggregate, row["message"].version, row["state"], row["attempts"],
                  row["due"] is None, row["marked_until"] is None)
            for key, row in self.database.rows(None, self.twin.inbox)
        }  # fmt: skip
        positions = self.database.rows(None, self.twin.position)
        return rows, {key: (row["applied"], row["last"]) for key, row in positions}


def message(rng):
    """Return one of few messages, so that most meet another; some claim another's place or id."""
    aggregate, version = rng.choice("abc"), rng.randint(1, 6)
    number = (rng.random() < 0.1) * 1000 + "abc".index(aggregate) * 10 + version
    if rng.random() < 0.05:
        number = rng.randint(1, 26)
    plain = received.Message(
        aggregate=aggregate, version=version, id=UUID(int=number + 1), type="depot.packed", payload={},
        headers={"source": "depot", "time": "2026-01-01T00:00:00+00:00", "correlationid": "c"},
    )  # fmt: skip
    return plain.quarantined("too large") if rng.random() < 0.05 else plain


def a_step_of_an_inbox(both, rng):
    """Do what the machine may ask for in some state, chosen at random."""
    batch = [message(rng) for _ in range(rng.randint(1, 3))]
    names = tuple(sorted({one.aggregate for one in batch}))
    both.ensure(names)
    heads = both.heads(names)
    real, twin, kind = both.real, both.twin, rng.random()
    if kind < 0.15:
        # By somebody who sorted them out before the position moved.
        both.together(lambda: real._insert([], batch), lambda: twin._insert(both.hands.tx, {}, batch))
        return
    if kind < 0.4:
        both.together(lambda: real.store(batch), lambda: twin.store(both.hands, batch))
        return
    name, head = rng.choice(sorted(heads.items()))
    row = head.next
    if row is None or row.state == "parked":
        a_batch_or_sleep(both, rng, batch, heads, name)
    else:
        a_verdict(both, rng, row)


def a_batch_or_sleep(both, rng, batch, heads, name):
    real, twin, hands = both.real, both.twin, both.hands
    if rng.random() < 0.5:
        sleep = inbox_core.Sleep(name)

        def asleep():
            real.sleep(name)  # how many late duplicates it met is a figure for operators; the twin has none

        both.together(asleep, lambda: twin.sleep(hands, sleep))
        return
    machine = inbox_core.Inbox(doing="fast", batch=tuple(batch))
    apply = next(one for one in machine.step(inbox_core.Locked(heads)) if isinstance(one, inbox_core.Apply))
    outcomes = dict.fromkeys(apply.applied, "handled")
    both.together(
        lambda: real.apply(list(outcomes.items()), apply.waiting),
        lambda: twin.apply(hands, outcomes, apply.waiting),
    )


def a_verdict(both, rng, row):
    real, twin, hands = both.real, both.twin, both.hands
    refund = row.attempts > 0 and rng.random() < 0.3
    # Some statements come from a zombie: the row has moved on since it looked.
    stale = inbox_core.Row(row.message, row.state, row.attempts + 1) if rng.random() < 0.2 else row
    kind = rng.choice(("mark", "retry", "park", "apply", "apply"))
    if kind == "mark":
        both.together(lambda: real.mark(stale, seconds=LATER), lambda: twin.mark(hands, inbox_core.Mark(stale)))
    elif kind == "retry":
        later = LATER
        both.together(
            lambda: real.retry(stale, refund=refund, reason="no", delay_seconds=later),
            lambda: twin.retry(hands, inbox_core.Retry(stale, refund, "no")),
        )
    elif kind == "park":
        both.together(lambda: real.park(stale, "no"), lambda: twin.park(hands, inbox_core.Park(stale, "no")))
    else:
        outcomes = {row.message: "handled"}
        both.together(lambda: real.apply(list(outcomes.items()), ()), lambda: twin.apply(hands, outcomes, ()))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_twin_of_the_inboxs_store_answers_as_the_store(seed):
    both, rng = BothInboxes(), random.Random(seed)

    for _ in range(40):
        a_step_of_an_inbox(both, rng)

    assert len(both.tables_of_real()[0]) > 5


@pytest.mark.parametrize("wrong", WRONG_INBOXES)
def test_a_twin_that_answers_differently_is_found(wrong):
    statements = load(next(mutant.patches for mutant in MUTANTS if mutant.name == wrong)).inbox_statements

    with pytest.raises(AssertionError):
        many_steps_of_inboxes(statements)


def many_steps_of_inboxes(statements):
    for seed in range(MANY_SEEDS):
        both, rng = BothInboxes(statements), random.Random(seed)
        for _ in range(40):
            a_step_of_an_inbox(both, rng)
        with writing("shoplet"):
            both.real.rows.delete()
            both.real.positions.delete()


def test_the_twins_keep_the_times_of_the_shells():
    pairs = [
        (relay_statements, relay_store, ["LEASE_SECONDS", "PROMISE_SECONDS", "PASS_SECONDS"]),
        (relay_process, relay_shell, ["PUBLISH_DEADLINE_SECONDS", "SWEEP_SECONDS"]),
        (inbox_statements, inbox_store, ["MARK_SECONDS"]),
        (inbox_statements, inbox_shell, ["FIRST_RETRY_SECONDS", "LONGEST_RETRY_SECONDS", "JITTER"]),
        (inbox_process, loop, ["SWEEP_SECONDS", "FIRST_PAUSE_SECONDS", "LONGEST_PAUSE_SECONDS"]),
        (processes, threads, ["HUNG_SECONDS"]),
        (inbox_process, isolation, ["ISOLATION_SECONDS"]),
        (inbox_process, isolated, ["MARGIN_SECONDS"]),
    ]

    different = [
        f"{real.__name__}.{name}"
        for twin, real, names in pairs
        for name in names
        if getattr(twin, name) != getattr(real, name)
    ]

    assert different == []
