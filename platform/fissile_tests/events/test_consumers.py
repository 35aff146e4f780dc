"""The registry of handlers: who hears what, under which name, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import uuid4

import pytest

from fissile.contexts import registry
from fissile.errors import BrokenContractError
from fissile.events import consumers
from fissile.events.consumers import HandledTwice, UnknownVersion, consumer, consumers_of, consumes
from fissile.messages import Event

from .parcels import envelope


@dataclass(frozen=True, kw_only=True)
class TideRoseV1(Event):
    """The tide rose."""

    name: ClassVar[str] = "harbour.tide_rose.v1"
    aggregate_type: ClassVar[str] = "tide"
    metres: int

    @property
    def key(self) -> str:
        """There is one tide."""
        return "1"


@pytest.fixture(autouse=True)
def _own_table(monkeypatch):
    monkeypatch.setattr(consumers, "_handlers", {name: dict(table) for name, table in consumers._handlers.items()})


def test_a_consumer_is_named_after_its_context_and_the_source_of_the_event():
    consumes(TideRoseV1, into="pier")(lambda event, message: None)

    found = consumer("pier.harbour")

    assert (found.context, found.source) == ("pier", "harbour")
    assert found.handles("harbour.tide_rose.v1")
    assert not found.handles("harbour.tide_fell.v1")


def test_a_handler_gets_the_event_as_its_class_and_the_whole_message():
    heard = []
    consumes(TideRoseV1, into="pier")(lambda event, message: heard.append((event, message)))
    message = envelope(uuid4(), 1, type=TideRoseV1.name, data={"metres": 3})

    consumer("pier.harbour").handle(message)

    assert heard == [(TideRoseV1(metres=3), message)]


@pytest.mark.parametrize("data", [{}, {"metres": "3"}, {"metres": None}, {"metres": 3.5}])
def test_a_payload_of_another_shape_is_a_broken_contract(data):
    consumes(TideRoseV1, into="pier")(lambda event, message: None)

    with pytest.raises(BrokenContractError, match="Not a TideRoseV1"):
        consumer("pier.harbour").handle(envelope(uuid4(), 1, type=TideRoseV1.name, data=data))


def test_a_field_that_the_owner_added_later_is_no_trouble():
    heard = []
    consumes(TideRoseV1, into="pier")(lambda event, message: heard.append(event.metres))

    consumer("pier.harbour").handle(envelope(uuid4(), 1, type=TideRoseV1.name, data={"metres": 3, "moon": "full"}))

    assert heard == [3]


def test_another_version_of_a_handled_event_must_be_handled_and_cannot_be():
    consumes(TideRoseV1, into="pier")(lambda event, message: None)
    found = consumer("pier.harbour")

    assert found.handles("harbour.tide_rose.v2")
    with pytest.raises(UnknownVersion):
        found.handle(envelope(uuid4(), 1, type="harbour.tide_rose.v2"))


def test_two_handlers_for_one_event_of_one_consumer_are_refused():
    def first(event, message):
        """First."""

    def second(event, message):
        """Second."""

    consumes(TideRoseV1, into="pier")(first)
    consumes(TideRoseV1, into="quay")(second)

    with pytest.raises(HandledTwice, match=r"pier\.harbour handles"):
        consumes(TideRoseV1, into="pier")(second)


def test_loading_a_module_again_is_no_second_handler():
    def handler(event, message):
        """The same."""

    consumes(TideRoseV1, into="pier")(handler)
    consumes(TideRoseV1, into="pier")(handler)

    assert len(consumer("pier.harbour").handlers) == 1


def test_every_installed_context_handles_what_it_declares_and_nothing_else():
    handled = {
        context.name: {event for one in consumers_of(context.name) for event in one.handlers}
        for context in registry.installed()
    }

    assert handled == {context.name: set(context.consumes) for context in registry.installed()}
