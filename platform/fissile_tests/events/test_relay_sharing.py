"""How relays share lanes: what one decides from what it sees, and where many of them end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fissile.events.models import LANES
from fissile.events.relay.sharing import Lane, Plan, lost_lanes, share_out
from fissile.events.relay.store import LEASE_SECONDS, PROMISE_SECONDS


def lanes(*, paused=(), wanted=None, **owned):
    """Return all lanes; each keyword is an owner with its lanes, the rest is free."""
    owner_of = {number: owner for owner, numbers in owned.items() for number in numbers}
    return [
        Lane(
            number=number,
            owner=owner_of.get(number, ""),
            left_seconds=5.0 if number in owner_of else 0.0,
            paused=number in paused,
            wanted_by=(wanted or {}).get(number, ""),
        )
        for number in range(LANES)
    ]


def test_a_relay_that_is_alone_takes_every_lane():
    assert share_out("me", (), lanes()) == Plan(take=tuple(range(16)))


def test_a_relay_takes_free_lanes_up_to_its_share_rounded_up():
    seen = lanes(me=range(2), other=range(8, 16))
    third = lanes(me=range(2), other=range(8, 12), another=range(12, 16))

    assert share_out("me", range(2), seen).take == tuple(range(2, 8))
    assert share_out("me", range(2), third).take == tuple(range(2, 6))


def test_a_newcomer_that_finds_nothing_free_asks_the_richest_for_half_of_what_it_has_more():
    assert share_out("me", (), lanes(other=range(16))) == Plan(ask=tuple(range(8, 16)))
    assert share_out("me", (), lanes(a=range(10), b=range(10, 16))).ask == tuple(range(5, 10))


def test_a_relay_with_its_share_rounded_down_still_asks_for_one_of_a_relay_with_two_more():
    seen = lanes(me=range(4), a=range(4, 8), b=range(8, 14), paused=[14, 15])

    assert share_out("me", range(4), seen).ask == (13,)


def test_a_relay_asks_nothing_of_one_that_has_one_lane_more():
    assert share_out("me", range(5), lanes(me=range(5), a=range(5, 10), b=range(10, 16))) == Plan()


def test_what_is_promised_to_it_counts_as_its_own_so_it_asks_once():
    promised = dict.fromkeys(range(8, 16), "me")

    assert share_out("me", (), lanes(other=range(16), wanted=promised)) == Plan()


def test_what_a_lost_session_of_it_still_holds_counts_as_its_own_so_it_asks_nobody_meanwhile():
    seen = lanes(me=range(8), other=range(8, 16))

    assert share_out("me", (), seen) == Plan()
    assert share_out("me", range(3), seen) == Plan()


def test_an_owner_gives_back_what_another_was_promised_and_leaves_it_to_that_one():
    promised = dict.fromkeys(range(8, 16), "other")

    assert share_out("me", range(16), lanes(me=range(16), wanted=promised)) == Plan(give=tuple(range(8, 16)))
    assert share_out("me", range(8), lanes(me=range(8), wanted=promised)) == Plan()
    assert share_out("other", (), lanes(me=range(8), wanted=promised)) == Plan(take=tuple(range(8, 16)))


def test_a_paused_lane_is_given_back_and_counts_for_nobodys_share():
    assert share_out("me", range(16), lanes(me=range(16), paused=[3])) == Plan(give=(3,))
    assert share_out("me", (), lanes(paused=range(16))) == Plan()
    assert share_out("me", range(8), lanes(me=range(8), other=range(8, 12), paused=range(12, 16))) == Plan()


def test_a_relay_that_stands_by_wants_lanes_only_while_no_other_has_any():
    newcomer = lanes(me=range(16), wanted=dict.fromkeys(range(8, 16), "worker"))

    assert share_out("me", (), lanes(), stands_by=True).take == tuple(range(16))
    assert share_out("me", range(16), newcomer, stands_by=True) == Plan(give=tuple(range(16)))
    assert share_out("me", (), lanes(worker=range(3)), stands_by=True) == Plan()


def test_a_lane_is_lost_when_its_fence_has_grown():
    seen = [Lane(number=1, fence=4), Lane(number=2, fence=6), Lane(number=3, fence=9)]

    assert lost_lanes({1: 4, 2: 5}, seen) == (2,)


@dataclass
class Row:
    """A lane's row."""

    owner: str = ""
    fence: int = 0
    until: float = 0.0
    paused: bool = False
    wanted_by: str = ""
    wanted_until: float = 0.0


@dataclass
class House:
    """Relays that look once a second, each when its turn comes, over rows as the store writes them."""

    now: float = 0.0
    rows: list[Row] = field(default_factory=lambda: [Row() for _ in range(LANES)])
    held: dict[str, dict[int, int]] = field(default_factory=dict)

    def look(self, me, stands_by=False):
        held = self.held[me]
        for number in [one for one, fence in held.items() if self.rows[one].fence != fence]:
            del held[number]
        for number in held:
            if not self.rows[number].paused:
                self.rows[number].until = self.now + LEASE_SECONDS
        plan = share_out(me, held, self.seen(), stands_by=stands_by)
        for number in plan.give:
            self.rows[number].until, self.rows[number].owner = self.now, ""
            del held[number]
        for number in plan.take:
            row = self.rows[number]
            assert row.until <= self.now, "a lane with a running lease was taken"
            assert not row.paused
            self.rows[number] = Row(owner=me, fence=row.fence + 1, until=self.now + LEASE_SECONDS)
            held[number] = row.fence + 1
        for number in plan.ask:
            self.rows[number].wanted_by, self.rows[number].wanted_until = me, self.now + PROMISE_SECONDS

    def seen(self):
        return [
            Lane(
                number=number,
                owner=row.owner,
                fence=row.fence,
                left_seconds=row.until - self.now,
                paused=row.paused,
                wanted_by=row.wanted_by if row.wanted_until > self.now else "",
            )
            for number, row in enumerate(self.rows)
        ]

    def sweep(self, order=None):
        for me in order or sorted(self.held):
            self.look(me)
            self.now += 0.01
        self.now += 1.0

    def counts(self):
        """Return how many lanes each running relay holds, as the rows have it."""
        found = Counter(row.owner for row in self.rows if row.until > self.now and not row.paused)
        return {me: found[me] for me in self.held}


@pytest.mark.parametrize(("relays", "ends"), [(1, [16]), (2, [8, 8]), (3, [5, 5, 6]), (5, [3, 3, 3, 3, 4])])
def test_relays_that_join_one_after_another_end_with_equal_shares(relays, ends):
    house = House()
    for number in range(relays):
        house.held[str(number)] = {}
        for _ in range(8):
            house.sweep()

    assert sorted(house.counts().values()) == ends


def test_the_lanes_of_a_killed_relay_go_to_the_survivor_after_its_lease():
    house = House(held={"a": {}, "b": {}})
    for _ in range(8):
        house.sweep()
    del house.held["b"]

    for _ in range(3):
        house.sweep()
    before = house.counts()
    for _ in range(4):
        house.sweep()

    assert before == {"a": 8}
    assert house.counts() == {"a": 16}


happenings = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.sampled_from("abcdefg")),
        st.tuples(st.just("die"), st.sampled_from("abcdefg")),
        st.tuples(st.just("stop"), st.sampled_from("abcdefg")),
        st.tuples(st.just("pause"), st.integers(0, LANES - 1)),
        st.tuples(st.just("resume"), st.integers(0, LANES - 1)),
        st.tuples(st.just("look"), st.permutations("abcdefg")),
    ),
    max_size=40,
)


@given(happenings)
def test_whatever_joins_dies_or_is_paused_the_running_relays_end_with_equal_shares(story):
    house = House()
    for what, whom in story:
        if what == "join":
            house.held.setdefault(whom, {})
        elif what == "die":
            house.held.pop(whom, None)
        elif what == "stop":
            for number in house.held.pop(whom, {}):
                house.rows[number].until = house.now
        elif what == "look":
            house.sweep([me for me in whom if me in house.held])
        else:
            house.rows[whom].paused = what == "pause"

    # A dead relay's lease and a dead relay's promise run out, then lanes move at most once a sweep.
    for _ in range(int(LEASE_SECONDS + PROMISE_SECONDS) + 20):
        house.sweep()

    shared = sum(not row.paused for row in house.rows)
    if counts := sorted(house.counts().values()):
        assert sum(counts) == shared
        assert counts[-1] - counts[0] <= 1
    for me, held in house.held.items():
        assert all(
            house.rows[number].owner == me and house.rows[number].fence == fence for number, fence in held.items()
        )
