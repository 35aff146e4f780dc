"""The twin of the relay's store answers as the real one does, for two relays, on whatever database the tests run."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from fissile.data.clock import Clock
from fissile.data.guard import writing
from fissile.events.lanes import ensure_lanes
from fissile.events.models import LANES
from fissile.events.relay import core as relay_core
from fissile.events.relay import sharing as relay_sharing
from fissile.events.relay import store as relay_store
from fissile_tests.events.baskets import fill, lane, outbox

from . import relay_statements
from .database import Database
from .mutants import MUTANTS
from .parts import load
from .test_twins import LATER, MANY_SEEDS, Hands, finish
from .world import FREE_LANE

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)

RELAYS = ("first", "second")
WRONG_OUTBOXES = (
    "a fence is not compared",
    "verdicts are written without the fence",
    "one lane that is held is enough for a whole batch",
    "a zombie renews the lease of its heir",
    "a paused lane is taken",
    "a lane promised to another is taken",
    "a zombie gives back the lease of its heir",
    "an aggregate in trouble does not wait",
    "the next rows are read before the last ones are marked",
    "behind trouble a pass forgets what is in flight",
)


class BothOutboxes:
    """Runs each statement on the real store and on its twin, over the same events, for two relays."""

    def __init__(self, statements=relay_statements):
        self.real = {name: relay_store.OutboxStore("shoplet") for name in RELAYS}
        self.database = Database(lambda tx: None, lambda places: None)
        self.twin = {name: statements.RelayStatements(self.database, relay_sharing) for name in RELAYS}
        self.hands = Hands(self.database)
        ensure_lanes("shoplet")
        self.database.tables["lane"] = {number: dict(FREE_LANE) for number in range(LANES)}
        # What each relay was ever given: some of it under fences that are gone.
        self.fences = {name: [{}] for name in RELAYS}

    def record(self):
        """Append events of a new basket to both outboxes."""
        fill(2)
        known = self.database.tables.setdefault("outbox", {})
        for row in outbox().order_by("seq"):
            event = {"id": str(row.id), "seq": row.seq, "lane": row.lane, "aggregate": row.aggregate}
            trouble = {"attempts": 0, "next_at": 0.0, "parked": False, "sent_at": None, "reason": ""}
            known.setdefault(str(row.id), {**event, "version": row.version, **trouble})

    def acquire(self, name, lanes):
        fences = self.real[name].acquire(name, lanes)
        assert fences == finish(self.twin[name].acquire(self.hands, name, lanes))
        self.fences[name].append({**self.fences[name][-1], **fences})

    def ask(self, name, lanes):
        self.real[name].ask(name, lanes)
        finish(self.twin[name].ask(self.hands, name, lanes))

    def asked(self, fences, rows):
        """Return a claim of which `rows` are in flight, as a relay of the real store asks, and one of the twin's."""
        real = [outbox().get(id=row["id"]) for row in rows]
        return (
            relay_core.Claim(dict(fences), 3, tuple(relay_core.Pending(id=str(row.id), row=row) for row in real)),
            relay_core.Claim(dict(fences), 3, tuple(relay_core.Pending(id=row["id"], row=row) for row in rows)),
        )

    def claim(self, name, fences, in_flight=()):
        real, twin = self.asked(fences, in_flight)
        return self.same(fences, self.real[name].claim(real), finish(self.twin[name].claim(self.hands, twin)))

    def same(self, fences, real, twin):
        (found, lanes), (rows, seen) = real, twin
        assert [str(row.id) for row in found] == [row["id"] for row in rows]
        assert [known(lane) for lane in lanes] == [known(lane) for lane in seen]
        assert relay_sharing.lost_lanes(fences, lanes) == relay_sharing.lost_lanes(fences, seen)
        return rows

    def settle(self, name, verdicts):
        assert self.real[name].settle(verdicts) == finish(self.twin[name].settle(self.hands, verdicts))

    def settle_and_claim(self, name, verdicts, fences, in_flight):
        """Settle, and claim in the same transaction; return the rows."""
        asked, twins = self.asked(fences, in_flight)
        lost, real = self.real[name].settle(replace(verdicts, then=asked))
        gone, twin = finish(self.twin[name].settle(self.hands, replace(verdicts, then=twins)))
        assert lost == gone
        return self.same(fences, real, twin)

    def release(self, name, fences):
        self.real[name].release(fences)
        finish(self.twin[name].release(self.hands, fences))

    def pause(self, lanes, *, paused):
        twins = self.database.tables["lane"]
        with writing("shoplet"):
            lane().filter(lane__in=lanes).update(paused=paused)
        twins.update({number: {**twins[number], "paused": paused} for number in lanes})

    def expire(self, lanes, column, name):
        """End the leases or the promises of some lanes."""
        twins = self.database.tables["lane"]
        with writing("shoplet"):
            lane().filter(lane__in=lanes).update(**{column: Clock()})
        twins.update({number: {**twins[number], name: self.database.now} for number in lanes})

    def compare(self):
        fields = ("attempts", "reason")
        real = {
            str(row.id): (row.sent_at is None, row.parked_at is None, *(getattr(row, name) for name in fields))
            for row in outbox()
        }
        twin = {
            key: (row["sent_at"] is None, not row["parked"], *(row[name] for name in fields))
            for key, row in self.database.rows(None, "outbox")
        }
        assert real == twin


def known(lane):
    """Return what must be equal of a lane: real leases get shorter while the test runs."""
    return lane.number, lane.owner, lane.fence, lane.is_free, lane.paused, lane.wanted_by


def verdicts_on(rows, fences, rng):
    """Return random verdicts on rows that were claimed, some of them under fences that are gone."""
    sent, failed, returned = [], [], []
    for row in rows:
        kind = rng.choice(("sent", "failed", "failed", "returned", "lost"))
        if kind == "failed":
            seconds = rng.choice((0.0, LATER))
            failed.append(
                relay_core.Failure(id=row["id"], reason="nacked", retry_seconds=seconds, park=rng.random() < 0.3)
            )
        elif kind != "lost":
            (sent if kind == "sent" else returned).append(row["id"])
    under = {row["lane"]: fences[row["lane"]] for row in rows if row["lane"] in fences}
    return relay_core.Settle(under, tuple(sent), tuple(failed), tuple(returned), "nobody is bound")


def a_step_of_a_relay(both, rng):
    """Claim, mostly under the latest fences, and do what a relay, an operator or the time may do next."""
    name = rng.choice(RELAYS)
    fences = both.fences[name][-1] if rng.random() < 0.7 else rng.choice(both.fences[name])
    rows = both.claim(name, fences)
    late = both.fences[name][-1] if rng.random() < 0.2 else fences
    some = rng.sample(range(LANES), rng.randint(1, LANES))
    match rng.choice(("settle", "settle", "settle", "record", "take over", "ask", "release", "pause", "resume")):
        case "settle":
            if rng.random() < 0.3:
                # The other relay takes what it can in the middle of the batch.
                take_over(both, next(one for one in RELAYS if one != name), some)
            verdicts = verdicts_on(rows, late, rng)
            if rng.random() < 0.5:
                both.settle(name, verdicts)
            else:
                ahead = both.claim(name, fences, rows)
                # Due at once, which for SQLite begins a millisecond later.
                failed = tuple(replace(one, retry_seconds=LATER) for one in verdicts.failed)
                both.settle_and_claim(name, replace(verdicts, failed=failed), fences, ahead)
        case "record":
            both.record()
        case "take over":
            take_over(both, name, some)
            if rng.random() < 0.3:
                both.expire(some, "wanted_until", "wanted_until")
        case "ask":
            both.ask(name, some)
        case "release":
            both.release(name, {number: fence for number, fence in fences.items() if number in some})
        case "pause":
            both.pause(some[:3], paused=True)
        case "resume":
            both.pause(some, paused=False)
    both.compare()


def take_over(both, name, lanes):
    """Whoever had them was too slow; what is promised to somebody else stays where it is."""
    both.expire(lanes, "lease_until", "until")
    both.acquire(name, lanes)


def send_what_is_left(both):
    """Give all lanes to one relay and send what nothing holds back, a new basket at least; return how many that is."""
    both.record()
    everything = range(LANES)
    both.pause(everything, paused=False)
    both.expire(everything, "wanted_until", "wanted_until")
    take_over(both, "first", everything)
    fences, count = both.fences["first"][-1], 0
    while rows := both.claim("first", fences):
        sent = tuple(row["id"] for row in rows)
        both.settle("first", relay_core.Settle(fences, sent, (), (), ""))
        both.compare()
        count += len(sent)
    return count


@pytest.fixture(autouse=True)
def no_lease_ends(monkeypatch):
    """The twin's clock stands still: on a slow machine, the server's must not end a lease meanwhile."""
    for name in ("LEASE_SECONDS", "PROMISE_SECONDS"):
        monkeypatch.setattr(relay_store, name, LATER)


@pytest.mark.parametrize("seed", range(6))
def test_the_twin_of_the_relays_store_answers_as_the_store(seed):
    both, rng = BothOutboxes(), random.Random(seed)
    for _ in range(3):
        both.record()
    both.acquire("first", range(LANES))

    for _ in range(40):
        a_step_of_a_relay(both, rng)

    assert send_what_is_left(both) > 0
    assert all(len(given) > 1 for given in both.fences.values())


@pytest.mark.parametrize("wrong", WRONG_OUTBOXES)
def test_a_twin_of_the_relays_store_that_answers_differently_is_found(wrong):
    statements = load(next(mutant.patches for mutant in MUTANTS if mutant.name == wrong)).relay_statements

    with pytest.raises(AssertionError):
        many_steps_of_relays(statements)


def many_steps_of_relays(statements):
    for seed in range(MANY_SEEDS):
        both, rng = BothOutboxes(statements), random.Random(seed)
        for _ in range(3):
            both.record()
        both.acquire("first", range(LANES))
        for _ in range(40):
            a_step_of_a_relay(both, rng)
        with writing("shoplet"):
            outbox().delete()
            lane().delete()
