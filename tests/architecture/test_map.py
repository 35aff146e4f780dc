"""The map is the code's: docs/map.md is generated, and every context's README says what its context.py declares."""

from __future__ import annotations

import re

import pytest

from tests.architecture import house_map

CONTEXTS = house_map.contexts()
HEADINGS = ["Owns", "Publishes", "Listens to", "Asks", "Promises"]
EVENT = re.compile(r"`([a-z_]+\.[a-z_]+\.v\d+)`")
each_context = pytest.mark.parametrize("context", CONTEXTS, ids=lambda context: context.name)


def sections(context):
    text = (house_map.folder_of(context) / "README.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_committed_map_is_the_present_one():
    assert house_map.PAGE.read_text(encoding="utf-8") == house_map.page(), f"write it again: {house_map.COMMAND}"


def test_the_map_does_not_depend_on_the_run():
    assert house_map.page() == house_map.page()


def test_what_is_consumed_is_published_and_what_is_asked_is_offered():
    published = {event for context in CONTEXTS for event in context.publishes}
    offered = {
        (f"{context.name}.{function}", caller)
        for context in CONTEXTS
        for function, callers in context.offers.items()
        for caller in callers
    }

    assert {event for context in CONTEXTS for event in context.consumes} <= published
    assert {(wish, context.name) for context in CONTEXTS for wish in context.asks} == offered


def test_what_is_sent_is_taken_from_its_sender_and_nothing_else_is():
    sent = {(name, context.name) for context in CONTEXTS for name in (*context.sends, *context.requests)}
    taken = {(name, sender) for context in CONTEXTS for name, senders in context.takes.items() for sender in senders}

    assert sent == taken


@each_context
def test_every_declared_message_has_a_handler_and_every_port_an_adapter(context):
    assert {handler.event for handler in house_map.handlers_of(context)} == set(context.consumes)
    assert {handler.event for handler in house_map.handlers_of(context, "takes")} == set(context.takes)
    assert {handler.event for handler in house_map.handlers_of(context, "takes_reply")} == set(context.requests)
    assert [wire.port for wire in house_map.wires_of(context)] == house_map.ports_of(context)


@each_context
def test_a_contexts_readme_has_the_fixed_headings_in_their_order(context):
    found = [heading for heading in sections(context) if heading in HEADINGS]

    assert found == HEADINGS


@each_context
def test_a_contexts_readme_names_what_its_declaration_does(context):
    said = sections(context)

    assert set(EVENT.findall(said["Publishes"])) == set(context.publishes)
    assert set(EVENT.findall(said["Listens to"])) == {*context.consumes, *context.takes}
    assert all(f"`{wish}`" in said["Asks"] for wish in (*context.asks, *context.sends, *context.requests))
    assert all(function in said["Promises"] for function in context.offers)


@each_context
def test_an_empty_part_of_a_declaration_is_said_in_words(context):
    said = sections(context)

    for heading, declared in (("Publishes", context.publishes), ("Listens to", context.consumes)):
        if not declared:
            assert said[heading].strip().startswith("Nothing."), heading
    if not (*context.asks, *context.sends, *context.requests):
        assert said["Asks"].strip().startswith("Nobody.")
