"""Commands and replies behind the inbox: one handler each, once each, in time or not at all."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar
from uuid import uuid4

import msgspec
import pytest

from fissile.contexts import Context, registry
from fissile.data.unit_of_work import UndeclaredCommand, unit_of_work
from fissile.events import figures, receivers
from fissile.events.consumers import HandledTwice
from fissile.events.inbox.status import dropped
from fissile.events.receivers import NobodyTakes, ear, ensure_handled, receiver, takes, takes_reply
from fissile.messages import Command, Reply, Request
from fissile.testing.ears import Ear
from fissile_tests.shoplet.wishes import (
    BasketsCountedV1,
    CountBasketsV1,
    FillBasketV1,
    SendParcelV1,
)

from .baskets import fill, outbox
from .directed import RECEIVER, ask_for_weight, command_of_depot, in_seconds, reply_of_depot
from .parcels import inbox, rows_of

in_shoplet = pytest.mark.django_db(databases=["shoplet"], transaction=True)


@dataclass(frozen=True, kw_only=True)
class BellRungV1(Reply):
    """How it sounded."""

    name: ClassVar[str] = "harbour.bell_rung.v1"
    loud: bool


@dataclass(frozen=True, kw_only=True)
class RingBellV1(Request):
    """Ring the bell."""

    name: ClassVar[str] = "harbour.ring_bell.v1"
    answer: ClassVar[type[Reply]] = BellRungV1


@dataclass(frozen=True, kw_only=True)
class TollBellV1(Request):
    """Toll the bell."""

    name: ClassVar[str] = "harbour.toll_bell.v1"
    answer: ClassVar[type[Reply]] = BellRungV1


@dataclass(frozen=True, kw_only=True)
class LightLampV1(Command):
    """Light the lamp."""

    name: ClassVar[str] = "harbour.light_lamp.v1"


@pytest.fixture
def own_tables(monkeypatch):
    monkeypatch.setattr(receivers, "_commands", {})
    monkeypatch.setattr(receivers, "_replies", {})


@pytest.fixture
def depot():
    with Ear(RECEIVER) as found:
        yield found


def taken():
    """What took effect in shoplet, by the note of its handler."""
    return list(rows_of("Heard").order_by("id").values_list("note", flat=True))


def outcomes():
    return list(inbox().filter(consumer=RECEIVER).order_by("id").values_list("state", "reason"))


# -- who handles what


def test_a_receiver_is_named_after_its_context_and_the_sender_and_hears_from_an_exchange_of_its_own():
    found = ear(RECEIVER)

    assert (found.context, found.source, found.exchange) == ("shoplet", "depot", "depot.to-shoplet")
    assert set(found.handlers) == {"shoplet.fill_basket.v1", "shoplet.count_baskets.v1", "depot.parcel_weighed.v1"}


def test_two_handlers_for_one_command_are_refused(own_tables):
    def first(command, message):
        """First."""

    def second(command, message):
        """Second."""

    takes(LightLampV1)(first)
    takes(LightLampV1)(first)
    takes_reply(RingBellV1, into="pier")(first)
    takes_reply(RingBellV1, into="quay")(second)

    with pytest.raises(HandledTwice, match=r"harbour\.light_lamp\.v1 is handled in .*first and in .*second"):
        takes(LightLampV1)(second)
    with pytest.raises(HandledTwice, match=r"harbour\.ring_bell\.v1"):
        takes_reply(RingBellV1, into="pier")(second)


def test_two_requests_of_one_context_have_no_answer_in_common(own_tables):
    takes_reply(RingBellV1, into="pier")(lambda reply, message: None)

    with pytest.raises(HandledTwice, match=r"ring_bell\.v1 and harbour\.toll_bell\.v1 are both answered"):
        takes_reply(TollBellV1, into="pier")(lambda reply, message: None)


def test_a_declared_command_or_request_that_nobody_handles_is_refused_at_the_start(own_tables):
    harbour = Context(name="harbour", package="harbour", takes={LightLampV1.name: ("pier",)})
    pier = Context(name="pier", package="pier", requests=(RingBellV1.name,))

    with pytest.raises(NobodyTakes, match=r"light_lamp\.v1 is in `takes` of harbour.*ring_bell\.v1 is in `requests`"):
        ensure_handled([harbour, pier])
    takes(LightLampV1)(lambda command, message: None)
    takes_reply(RingBellV1, into="pier")(lambda reply, message: None)
    ensure_handled([harbour, pier])


def test_every_installed_context_handles_what_it_declares_to_take():
    ensure_handled(registry.installed())


def test_a_sender_that_may_not_send_a_command_finds_no_handler_for_it():
    assert set(receiver("shoplet.from-pier").handlers) == set()
    assert receiver("shoplet.from-pier").handles(FillBasketV1.name)


# -- sending


@in_shoplet
def test_a_command_is_recorded_with_the_change_for_one_context_as_a_stream_of_its_own():
    with unit_of_work("shoplet") as work:
        sent = [work.send(SendParcelV1(parcel_id=uuid4())) for _ in range(2)]

    rows = outbox().order_by("seq")
    assert [(row.id, row.aggregate, row.version) for row in rows] == [(one, f"command/{one}", 1) for one in sent]
    assert {row.headers["to"] for row in rows} == {"depot"}


@in_shoplet
def test_a_command_of_a_unit_of_work_that_is_undone_is_not_sent():
    with suppress(ZeroDivisionError), unit_of_work("shoplet") as work:
        work.send(SendParcelV1(parcel_id=uuid4()))
        raise ZeroDivisionError

    assert not outbox().exists()


@in_shoplet
def test_only_declared_commands_are_sent_and_requests_only_as_requests():
    with unit_of_work("shoplet") as work:
        with pytest.raises(UndeclaredCommand, match=r"Add it to `sends` in its context\.py, and shoplet to `takes`"):
            work.send(LightLampV1())
        with pytest.raises(UndeclaredCommand, match="Add it to `requests`"):
            work.send(RingBellV1(answer_by=in_seconds(1)))

    assert not outbox().exists()


# -- taking


@in_shoplet
def test_a_command_takes_effect_once_however_often_it_comes(depot):
    command = command_of_depot(FillBasketV1(things=2))

    depot.hear(command, command)
    depot.hear(command)

    assert taken() == ["filled"]
    assert outcomes() == [("applied", "handled")]


@in_shoplet
def test_a_command_that_fails_is_parked_and_holds_no_other_up(depot):
    too_heavy = command_of_depot(FillBasketV1(things=11))

    depot.hear(too_heavy)
    depot.retry_until_parked()
    depot.hear(command_of_depot(FillBasketV1(things=1)))

    assert depot.inbox(too_heavy.subject) == [(1, "parked", "BasketTooHeavy")]
    assert taken() == ["filled"]


@in_shoplet
def test_a_command_without_a_handler_is_parked_and_not_passed_over(depot):
    unknown = command_of_depot(LightLampV1())

    depot.hear(unknown)
    depot.retry_until_parked()

    assert depot.inbox(unknown.subject) == [(1, "parked", "UnknownMessage")]


# -- answering


@in_shoplet
def test_a_request_is_answered_once_and_the_reply_names_it_as_its_cause(depot):
    fill()
    request = command_of_depot(CountBasketsV1(answer_by=in_seconds(60)))

    depot.hear(request)
    depot.hear(request)

    reply = outbox().get(type=BasketsCountedV1.name)
    assert (reply.aggregate, reply.version, reply.payload) == (f"reply/{request.id}", 1, {"baskets": 1})
    assert (reply.headers["to"], reply.headers["causationid"]) == ("depot", str(request.id))
    assert reply.headers["correlationid"] == request.correlationid


@in_shoplet
def test_a_request_whose_time_is_over_is_not_carried_out(depot):
    depot.hear(command_of_depot(CountBasketsV1(answer_by=in_seconds(-1))))

    assert taken() == []
    assert outcomes() == [("applied", "expired request")]
    assert not outbox().exists()


@in_shoplet
def test_a_request_that_is_not_answered_as_the_contract_says_leaves_nothing(depot):
    request = command_of_depot(CountBasketsV1(answer_by=in_seconds(60), in_vain=True))

    depot.hear(request)
    depot.retry_until_parked()

    assert depot.inbox(request.subject) == [(1, "parked", "BrokenContractError")]
    assert taken() == []


# -- hearing the reply


@in_shoplet
def test_a_reply_finds_the_one_who_asked_once(depot):
    reply = reply_of_depot(ask_for_weight())

    depot.hear(reply)
    depot.hear(reply)

    assert taken() == ["500 g"]


@in_shoplet
def test_a_second_reply_to_one_request_is_no_reply(depot):
    request_id = ask_for_weight()

    depot.hear(reply_of_depot(request_id))
    depot.hear(reply_of_depot(request_id))

    assert taken() == ["500 g"]
    assert inbox().filter(state="parked", type="forked").count() == 1


@in_shoplet
def test_a_late_reply_is_dropped_and_counted(depot, caplog):
    depot.hear(reply_of_depot(ask_for_weight(seconds=-1)))

    assert taken() == []
    assert outcomes() == [("applied", "late reply")]
    assert dropped("shoplet") == {(RECEIVER, "late reply"): 1}
    assert "dropped as late reply depot.parcel_weighed.v1" in caplog.text


@pytest.mark.django_db(databases=[one.name for one in registry.installed()], transaction=True)
def test_what_was_dropped_is_a_metric_by_receiver_and_reason(depot):
    depot.hear(reply_of_depot(ask_for_weight(seconds=-1)))
    depot.hear(command_of_depot(CountBasketsV1(answer_by=in_seconds(-1))))

    (family,) = (one for one in figures.collect() if one.name == "fissile_inbox_dropped")

    told = {(one.labels["consumer"], one.labels["reason"]): one.value for one in family.samples}
    assert told == {(RECEIVER, "expired request"): 1, (RECEIVER, "late reply"): 1}


@in_shoplet
def test_a_reply_that_nobody_asked_for_is_dropped(depot):
    with unit_of_work("shoplet") as work:
        other = work.send(SendParcelV1(parcel_id=uuid4()))

    elsewhere = msgspec.structs.replace(reply_of_depot(uuid4()), subject=f"command/{ask_for_weight()}")

    depot.hear(reply_of_depot(uuid4()), reply_of_depot(other), elsewhere)

    assert taken() == []
    assert [reason for _, reason in outcomes()] == ["unasked reply"] * 3
