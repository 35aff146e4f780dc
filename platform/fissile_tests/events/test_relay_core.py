"""The relay's machine: what it does next, without a database or a broker."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fissile.events.relay.core import (
    ATTEMPTS,
    WINDOW,
    Acquire,
    Ask,
    Await,
    Claim,
    Claimed,
    Confirmed,
    Disconnect,
    GiveBack,
    Leased,
    Lost,
    Pause,
    Pending,
    Publish,
    Refused,
    Relay,
    Returned,
    Settle,
    Settled,
    Tick,
)
from fissile.events.relay.sharing import Lane

LANES = range(16)


def rows(*ids, attempts=0, lane=0):
    return tuple(Pending(id=one, lane=lane, attempts=attempts) for one in ids)


def seen(held, *, owner="me", wanted=None, **others):
    """Return all lanes: `held` by us, those of `others` by them under fence 99, the rest free."""
    owner_of = {lane: name for name, lanes in others.items() for lane in lanes}
    return tuple(
        Lane(
            number=lane,
            owner=owner_of.get(lane, owner if lane in held else ""),
            fence=99 if lane in owner_of else held.get(lane, 0),
            left_seconds=5.0 if lane in held or lane in owner_of else 0.0,
            wanted_by=(wanted or {}).get(lane, ""),
        )
        for lane in LANES
    )


def leading(fence=7):
    """Return a relay that holds every lane, and its fences."""
    relay, fences = Relay("me"), dict.fromkeys(LANES, fence)
    relay.step(Tick())
    relay.step(Claimed((), seen({})))
    relay.step(Leased(fences))
    return relay, fences


def publishing(*ids, attempts=0):
    relay, fences = leading()
    relay.step(Claimed(rows(*ids, attempts=attempts), seen(fences)))
    return relay


def publish_of(effects):
    (found,) = [effect.rows for effect in effects if isinstance(effect, Publish)]
    return found


def settle_of(effects):
    (found,) = [effect for effect in effects if isinstance(effect, Settle)]
    return found


def test_a_relay_takes_lanes_before_it_reads_any_row():
    relay, fences = Relay("me"), dict.fromkeys(LANES, 7)

    assert [Claim({}, WINDOW)] == relay.step(Tick())
    assert [Acquire(tuple(LANES))] == relay.step(Claimed((), seen({})))
    assert [Claim(fences, WINDOW)] == relay.step(Leased(fences))
    assert [Publish(rows("a", "b")), Await()] == relay.step(Claimed(rows("a", "b"), seen(fences)))


def test_a_batch_is_settled_once_after_its_last_verdict_and_the_next_is_claimed_with_it():
    relay = publishing("a", "b", "c")

    assert relay.step(Confirmed("a")) == []
    assert relay.step(Refused("b", "nack")) == []
    settle = settle_of(relay.step(Confirmed("c")))

    assert settle.sent == ("a", "c")
    assert [failed.id for failed in settle.failed] == ["b"]
    assert settle.fences == {0: 7}
    assert settle.then == Claim(dict.fromkeys(LANES, 7), WINDOW)
    assert relay.step(Settled()) == []
    assert publish_of(relay.step(Claimed(rows("d"), seen(relay.held)))) == rows("d")


def full(relay, *ids, lane=0):
    """Have as many rows claimed as were asked for."""
    relay.window = len(ids)
    return relay.step(Claimed(rows(*ids, lane=lane), seen(relay.held)))


def test_while_a_full_batch_is_in_flight_the_next_is_read_and_goes_out_before_the_first_is_settled():
    relay, fences = leading()

    first = full(relay, "a", "b")
    assert relay.step(Claimed(rows("c"), seen(fences))) == []
    assert relay.step(Confirmed("a")) == []
    second = relay.step(Confirmed("b"))

    assert first == [Publish(rows("a", "b")), Claim(fences, 2, rows("a", "b")), Await()]
    publish, settle, wait = second
    assert (publish, wait) == (Publish(rows("c")), Await())
    assert (settle.sent, settle.then) == (("a", "b"), Claim(fences, 4, rows("c")))
    assert relay.step(Settled()) == []
    assert relay.step(Claimed((), seen(fences))) == []
    (settle,) = relay.step(Confirmed("c"))
    assert (settle.sent, settle.then.in_flight) == (("c",), ())


def test_nothing_that_was_read_ahead_passes_an_event_that_was_not_confirmed():
    sent = []
    for word in (Refused("b", "nack"), Returned("b", "no route"), Lost("reset")):
        relay, fences = leading()
        full(relay, "a", "b")
        relay.step(Claimed(rows("c"), seen(fences)))
        relay.step(Confirmed("a"))
        effects = relay.step(word)
        assert not [effect for effect in effects if isinstance(effect, Publish)]
        sent.append((settle_of(effects).sent, settle_of(effects).then is None))

    # After a refusal the next rows are read anew; after a setback there is a pause first.
    assert sent == [(("a",), False), (("a",), True), (("a",), True)]


def test_what_was_read_ahead_is_dropped_when_lanes_are_to_change_hands():
    wanted, other = {9: "other"}, [9]
    for change in ({"wanted": wanted}, {"other": other}):
        relay, fences = leading()
        full(relay, "a")

        assert relay.step(Claimed(rows("b"), seen(fences, **change))) == []
        (settle,) = relay.step(Confirmed("a"))

        assert settle.then == Claim(fences, 2)
        handed = relay.step(Claimed(rows("b"), seen(fences, **change)))
        assert 9 not in relay.held
        assert publish_of(handed) == rows("b")


def test_a_batch_of_which_less_came_than_was_asked_for_reads_nothing_ahead():
    relay, fences = leading()

    assert relay.step(Claimed(rows("a"), seen(fences))) == [Publish(rows("a")), Await()]


def test_nothing_is_claimed_while_a_batch_is_in_flight():
    relay = publishing("a")

    assert relay.step(Tick()) == []


def test_a_confirm_for_a_message_that_is_not_in_flight_changes_nothing():
    relay = publishing("a")

    assert relay.step(Confirmed("stranger")) == []
    assert relay.sent == []


def test_refusals_back_off_twice_as_long_each_time_and_park_at_the_limit():
    waits = []
    for attempts in range(ATTEMPTS):
        (failed,) = settle_of(publishing("a", attempts=attempts).step(Refused("a", "nack"))).failed
        waits.append((failed.retry_seconds, failed.park))

    assert [seconds for seconds, _ in waits] == [0.5, 1, 2, 4, 8, 16, 32, 60]
    assert [park for _, park in waits] == [False] * (ATTEMPTS - 1) + [True]


def test_a_lost_connection_is_nobodys_fault_and_leaves_the_unconfirmed_pending():
    relay = publishing("a", "b")
    relay.step(Confirmed("a"))

    disconnect, settle = relay.step(Lost("reset"))

    assert disconnect == Disconnect()
    assert (settle.sent, settle.failed) == (("a",), ())
    (pause,) = relay.step(Settled())
    assert isinstance(pause, Pause)
    assert [Claim(dict.fromkeys(LANES, 7), 1)] == relay.step(Tick())


def test_only_a_message_alone_in_flight_is_blamed_for_a_closed_channel():
    crowd = publishing("a", "b")
    alone = publishing("a")

    among_others = settle_of(crowd.step(Lost("too large", blames_message=True)))
    by_itself = settle_of(alone.step(Lost("too large", blames_message=True)))

    assert among_others.failed == ()
    assert [failed.id for failed in by_itself.failed] == ["a"]


def test_after_a_loss_messages_go_one_by_one_until_a_batch_is_settled_without_one():
    relay = publishing("a", "b")
    relay.step(Lost("reset"))
    relay.step(Settled())

    (claim,) = relay.step(Tick())
    windows = [claim.limit]
    while windows[-1] < WINDOW:
        relay.step(Claimed(rows("a"), seen(relay.held)))
        windows.append(settle_of(relay.step(Confirmed("a"))).then.limit)
        relay.step(Settled())

    assert windows == [*(2**n for n in range(len(windows) - 1)), WINDOW]


def test_an_event_nobody_is_bound_to_is_never_an_attempt_and_slows_the_relay_down():
    (relay, fences), pauses = leading(), []
    for _ in range(2 * ATTEMPTS):
        relay.step(Claimed(rows("a"), seen(fences)))
        settle = settle_of(relay.step(Returned("a", "no consumer")))
        assert (settle.sent, settle.failed, settle.returned) == ((), (), ("a",))
        (pause,) = relay.step(Settled())
        pauses.append(pause.seconds)
        relay.step(Tick())

    assert sorted(pauses) == pauses
    assert pauses[-1] == 2.0


def test_a_relay_that_lost_every_lane_drops_its_connection_and_waits_to_take_some_again():
    relay = publishing("a", "b")
    relay.step(Confirmed("a"))
    relay.step(Confirmed("b"))

    assert [Disconnect()] == relay.step(Settled(frozenset(LANES)))
    assert relay.step(Confirmed("b")) == []
    assert relay.step(Claimed((), seen({}, heir=LANES))) == [Ask(tuple(range(8, 16)))]
    assert [Claim({}, WINDOW)] == relay.step(Tick())


def test_a_lane_lost_under_a_batch_costs_the_connection_and_nothing_of_the_other_lanes():
    relay, fences = leading()
    relay.step(Claimed(rows("a", lane=3) + rows("b", lane=4), seen(fences)))
    relay.step(Confirmed("a"))
    settle = settle_of(relay.step(Confirmed("b")))

    effects = relay.step(Settled(frozenset({3})))

    assert (settle.fences, settle.sent) == ({3: 7, 4: 7}, ("a", "b"))
    assert effects == [Disconnect()]
    assert relay.held == {lane: 7 for lane in LANES if lane != 3}


def test_a_lane_found_lost_at_a_claim_costs_the_connection():
    relay, fences = leading()

    effects = relay.step(Claimed(rows("a", lane=4), seen(fences, heir=[3])))

    assert effects[0] == Disconnect()
    assert publish_of(effects) == rows("a", lane=4)
    assert 3 not in relay.held


def test_lanes_change_hands_only_when_nothing_is_in_flight():
    relay, fences = leading()
    wanted = dict.fromkeys(range(8, 16), "other")

    effects = relay.step(Claimed(rows("a", lane=3) + rows("b", lane=9), seen(fences, wanted=wanted)))

    assert effects == [GiveBack(dict.fromkeys(range(8, 16), 7)), Publish(rows("a", lane=3)), Await()]
    assert relay.step(Tick()) == []
    settle = settle_of(relay.step(Confirmed("a")))
    assert settle.fences == {3: 7}


def test_lanes_taken_while_a_batch_is_in_flight_are_read_after_it():
    relay, fences = Relay("me"), {0: 7}
    relay.step(Tick())
    relay.step(Leased(fences))
    acquire, *_ = relay.step(Claimed(rows("a"), seen(fences)))

    assert acquire == Acquire(tuple(range(1, 16)))
    assert relay.step(Leased({1: 1, 2: 1})) == []
    settle = settle_of(relay.step(Confirmed("a")))
    assert settle.fences == {0: 7}
    assert settle.then == Claim({0: 7, 1: 1, 2: 1}, WINDOW)


def test_a_newcomer_asks_and_waits():
    relay = Relay("me")
    relay.step(Tick())

    assert [Ask(tuple(range(8, 16)))] == relay.step(Claimed((), seen({}, other=LANES)))
    assert [Claim({}, WINDOW)] == relay.step(Tick())


@given(st.lists(st.sampled_from(["confirm", "refuse", "return", "lose", "blame", "fence"]), max_size=60))
def test_whatever_happens_only_confirmed_messages_are_ever_marked_as_sent(happenings):
    relay, number, confirmed, settled, published = Relay("me"), 0, set(), set(), set()
    relay.window = 3
    todo = relay.step(Tick())
    for happening in happenings:
        match todo.pop(0) if todo else None:
            case Acquire(lanes):
                todo += relay.step(Leased(dict.fromkeys(lanes, number)))
            case Claim():
                number += 3
                todo += relay.step(Claimed(the_next(number), seen(relay.held)))
            case Publish(rows=new):
                # One batch at a time: of the one before, each event has its verdict.
                assert not published & {one.id for one in new}
                assert {one.id for one in new} == set(relay.inflight)
                published |= {one.id for one in new}
            case Settle(fences=fences, sent=sent, then=then):
                assert set(sent) <= confirmed
                assert not settled & set(sent)
                lost = frozenset(fences if happening == "fence" else ())
                settled |= set() if lost else set(sent)
                todo += relay.step(Settled(lost))
                if then:
                    number += 3
                    todo += relay.step(Claimed(the_next(number), seen(relay.held)))
            case Await() | None if relay.inflight:
                one = next(iter(relay.inflight))
                if happening in ("confirm", "fence"):
                    confirmed.add(one)
                todo += relay.step(
                    {
                        "confirm": Confirmed(one),
                        "refuse": Refused(one, "nack"),
                        "return": Returned(one, "no route"),
                        "lose": Lost("reset"),
                        "blame": Lost("too large", blames_message=True),
                        "fence": Confirmed(one),
                    }[happening]
                )
            case _:
                todo += relay.step(Tick())


def the_next(number):
    return rows(*(str(number + one) for one in range(3)), lane=number % 16)
