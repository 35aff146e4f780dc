"""The relay's machine: what it does next, without a database or a broker."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fissile.events.relay.core import (
    ATTEMPTS,
    WINDOW,
    Acquire,
    Claim,
    Claimed,
    Confirmed,
    Disconnect,
    Fenced,
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


def rows(*ids, attempts=0):
    return tuple(Pending(id=one, attempts=attempts) for one in ids)


def publishing(*ids, attempts=0):
    relay = Relay()
    relay.step(Tick())
    relay.step(Leased(7))
    relay.step(Claimed(rows(*ids, attempts=attempts)))
    return relay


def settle_of(effects):
    (found,) = [effect for effect in effects if isinstance(effect, Settle)]
    return found


def test_a_relay_takes_the_lease_before_it_reads_anything():
    relay = Relay()

    assert [Acquire()] == relay.step(Tick())
    assert [Claim(7, WINDOW)] == relay.step(Leased(7))
    assert [Publish(rows("a", "b"))] == relay.step(Claimed(rows("a", "b")))


def test_a_batch_is_settled_once_after_its_last_verdict():
    relay = publishing("a", "b", "c")

    assert relay.step(Confirmed("a")) == []
    assert relay.step(Refused("b", "nack")) == []
    settle = settle_of(relay.step(Confirmed("c")))

    assert settle.sent == ("a", "c")
    assert [failed.id for failed in settle.failed] == ["b"]
    assert [Claim(7, WINDOW)] == relay.step(Settled())


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
    assert [Claim(7, 1)] == relay.step(Tick())


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

    windows = []
    for _ in range(9):
        (claim,) = relay.step(Tick()) if not windows else relay.step(Settled())
        windows.append(claim.limit)
        relay.step(Claimed(rows("a")))
        relay.step(Confirmed("a"))

    assert windows == [1, 2, 4, 8, 16, 32, 64, 128, WINDOW]


def test_an_event_nobody_is_bound_to_is_never_an_attempt_and_slows_the_relay_down():
    relay, pauses = Relay(), []
    relay.step(Tick())
    relay.step(Leased(7))
    for _ in range(2 * ATTEMPTS):
        relay.step(Claimed(rows("a")))
        settle = settle_of(relay.step(Returned("a", "no consumer")))
        assert (settle.sent, settle.failed, settle.returned) == ((), (), ("a",))
        (pause,) = relay.step(Settled())
        pauses.append(pause.seconds)
        relay.step(Tick())

    assert sorted(pauses) == pauses
    assert pauses[-1] == 2.0


def test_a_fenced_relay_forgets_its_batch_and_must_take_the_lease_again():
    relay = publishing("a", "b")
    relay.step(Confirmed("a"))

    assert [Disconnect()] == relay.step(Fenced())
    assert relay.step(Confirmed("b")) == []
    assert [Acquire()] == relay.step(Tick())


@given(st.lists(st.sampled_from(["confirm", "refuse", "return", "lose", "blame", "fence"]), max_size=60))
def test_whatever_happens_only_confirmed_messages_are_ever_marked_as_sent(happenings):
    relay, number, confirmed, settled = Relay(), 0, set(), set()
    effects = relay.step(Tick())
    for happening in happenings:
        effect = effects[-1] if effects else None
        match effect:
            case Acquire():
                effects = relay.step(Leased(number))
            case Claim():
                number += 3
                effects = relay.step(Claimed(rows(*(str(number + one) for one in range(3)))))
            case Settle(sent=sent):
                assert set(sent) <= confirmed
                assert not settled & set(sent)
                settled |= set(sent)
                effects = relay.step(Fenced() if happening == "fence" else Settled())
            case Publish() | None if relay.inflight:
                one = next(iter(relay.inflight))
                if happening == "confirm":
                    confirmed.add(one)
                effects = relay.step(
                    {
                        "confirm": Confirmed(one),
                        "refuse": Refused(one, "nack"),
                        "return": Returned(one, "no route"),
                        "lose": Lost("reset"),
                        "blame": Lost("too large", blames_message=True),
                        "fence": Fenced(),
                    }[happening]
                )
            case _:
                effects = relay.step(Tick())
