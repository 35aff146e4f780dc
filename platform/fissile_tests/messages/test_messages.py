"""Messages: ids, values, envelopes and problem details."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fissile.errors import BrokenContractError, Refusal, UnreachableError
from fissile.messages import (
    Envelope,
    Event,
    UndecodableMessage,
    decode_envelope,
    encode_envelope,
    event_class,
    from_wire,
    problem_from,
    to_wire,
    uuid7,
)
from fissile.messages.envelope import CONTENT_TYPE


@dataclass(frozen=True, kw_only=True)
class StoneCutV1(Event):
    name: ClassVar[str] = "quarry.stone_cut.v1"
    aggregate_type: ClassVar[str] = "stone"
    stone_id: UUID
    weight_grams: int

    @property
    def key(self) -> str:
        return str(self.stone_id)


class StoneTooHeavy(Refusal):
    """The stone is too heavy to lift."""

    code = "quarry.stone_too_heavy"


def an_envelope(**changes):
    given_ = {
        "id": uuid7(),
        "source": "/contexts/quarry",
        "type": "quarry.stone_cut.v1",
        "subject": "stone/1",
        "aggregateversion": 1,
        "time": datetime(2026, 1, 1, tzinfo=UTC),
        "correlationid": "c-1",
        "data": {"weight_grams": 5},
    }
    return Envelope(**{**given_, **changes})


def test_ids_are_version_seven_and_never_repeat():
    ids = [uuid7() for _ in range(1000)]

    assert len(set(ids)) == 1000
    assert {value.version for value in ids} == {7}
    assert {value.variant for value in ids} == {ids[0].variant}


def test_an_event_knows_its_context_aggregate_and_class():
    event = StoneCutV1(stone_id=uuid7(), weight_grams=5)

    assert event.context == "quarry"
    assert event.aggregate == f"stone/{event.stone_id}"
    assert event_class("quarry.stone_cut.v1") is StoneCutV1
    assert event_class("quarry.stone_lost.v1") is None


def test_a_value_comes_back_as_it_went():
    event = StoneCutV1(stone_id=uuid7(), weight_grams=5)

    assert from_wire(StoneCutV1, json.loads(json.dumps(to_wire(event)))) == event


@pytest.mark.parametrize("stranger", [object(), {"x": object()}, lambda: None])
def test_what_is_no_plain_value_cannot_cross(stranger):
    with pytest.raises(BrokenContractError, match="cannot cross a border by value"):
        to_wire(stranger)


def test_a_wrong_shape_is_refused_with_its_path():
    with pytest.raises(BrokenContractError, match="weight_grams"):
        from_wire(StoneCutV1, {"stone_id": str(uuid7()), "weight_grams": "5"})


def test_an_envelope_comes_back_as_it_went():
    envelope = an_envelope(traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01")

    assert decode_envelope(encode_envelope(envelope), CONTENT_TYPE) == envelope


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{}", CONTENT_TYPE),
        (b"not json", CONTENT_TYPE),
        (b"\xff\xfe", CONTENT_TYPE),
        (b"[]", CONTENT_TYPE),
        (b"", CONTENT_TYPE),
        (encode_envelope(an_envelope()), "application/x-python-serialize"),
        (encode_envelope(an_envelope()), None),
        (encode_envelope(an_envelope(aggregateversion=0)), CONTENT_TYPE),
        (encode_envelope(an_envelope(subject="stone")), CONTENT_TYPE),
        (encode_envelope(an_envelope(specversion="0.3")), CONTENT_TYPE),
    ],
)
def test_what_is_no_envelope_is_refused_by_name(body, content_type):
    with pytest.raises(UndecodableMessage):
        decode_envelope(body, content_type)


@given(st.binary(max_size=400))
def test_no_bytes_raise_anything_but_a_named_error(body):
    with suppress(UndecodableMessage):
        decode_envelope(body, CONTENT_TYPE)


def test_a_refusal_crosses_a_wire_as_the_same_class():
    no = Refusal.from_wire("quarry.stone_too_heavy", "Too heavy.", {"stone_id": "1"})

    assert type(no) is StoneTooHeavy
    assert no.facts == {"stone_id": "1"}
    assert Refusal.from_wire("quarry.unheard_of", "Never heard.", {}).code == "quarry.unheard_of"


def test_a_problem_shows_a_refusal_and_hides_a_broken_contract():
    shown = problem_from(StoneTooHeavy(stone_id="1"))
    hidden = problem_from(BrokenContractError("column x of table y"))

    assert shown.status == 409
    assert shown.body()["code"] == "quarry.stone_too_heavy"
    assert shown.body()["stone_id"] == "1"
    assert hidden.status == 500
    assert "column" not in json.dumps(hidden.body())


def test_a_problem_that_may_pass_says_when_to_come_back():
    assert problem_from(UnreachableError("users is away")).headers == {"Retry-After": "1"}
