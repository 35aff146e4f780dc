"""What a read model shall show: the events that it hears, and what each of them carries.

May touch: a draft, read only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import source
from .draft import Draft
from .errors import BadName, NoSuchPart
from .facts import Fact, facts_of
from .layout import Layout
from .names import camel
from .source import PublishedEvent, published_event
from .words import possessive


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One event that the read model listens to: which, and what it carries."""

    event: PublishedEvent
    key: Fact
    facts: tuple[Fact, ...]

    @property
    def fact(self) -> str:
        """The event's name without context and version: `user_registered`."""
        return self.event.wire.split(".")[1]

    @property
    def columns(self) -> tuple[Fact, ...]:
        """What it carries and a column holds."""
        return tuple(fact for fact in self.facts if fact.is_plain)


@dataclass(frozen=True, kw_only=True)
class NewProjection:
    """A read model that shall be: one row for each aggregate of `source`."""

    context: str
    name: str
    heard: tuple[Heard, ...]

    @property
    def model(self) -> str:
        """The class of its rows."""
        return camel(self.name)

    @property
    def source(self) -> PublishedEvent:
        """The first event; its context and aggregate are those of all."""
        return self.heard[0].event

    @property
    def key(self) -> Fact:
        """The field that holds the aggregate's id."""
        return self.heard[0].key

    def facts(self) -> list[tuple[Fact, bool]]:
        """Return every fact that a column holds, and whether it may be unknown: not every event carries it."""
        found = {fact.name: fact for one in self.heard for fact in one.facts if fact.is_plain}
        for name, fact in found.items():
            for one in self.heard:
                if other := next((f for f in one.facts if f.name == name and f.kind != fact.kind), None):
                    raise BadName(
                        f"{name} is {fact.kind} in one event and {other.kind} in {one.event.wire}.",
                        fix="make a projection of each",
                    )
        holders = {name: [fact for one in self.heard for fact in one.facts if fact.name == name] for name in found}
        return [
            (fact, len(holders[name]) < len(self.heard) or any(one.is_optional for one in holders[name]))
            for name, fact in found.items()
        ]

    def handler_of(self, heard: Heard) -> str:
        """Return the name of the function that handles an event for this read model."""
        return f"show_{heard.fact}_in_{self.name}"

    def left_out(self) -> list[str]:
        """Return the facts that no column holds."""
        return [f"{one.fact}.{fact.name}" for one in self.heard for fact in one.facts if not fact.is_plain]


def wanted(draft: Draft, layout: Layout, context: str, name: str, events: Sequence[str]) -> NewProjection:
    """Return the projection of events of one aggregate. Raise NoSuchPart, BadName."""
    layout.package_of(context)
    heard = tuple({one.event.wire: one for one in (heard_event(draft, layout, event) for event in events)}.values())
    if len(kinds := sorted({f"{one.event.context}.{one.event.aggregate}" for one in heard})) > 1:
        raise BadName(
            f"These events are of {' and '.join(kinds)}: a row stands for one aggregate, and only within one "
            "aggregate is there an order.",
            where="--from",
            fix="make a projection of each",
        )
    if heard[0].event.context == context:
        raise BadName(
            f"{heard[0].event.wire} is {possessive(context)} own: what a context decided itself is in its own tables.",
            where="--from",
            fix="write a query",
        )
    return NewProjection(context=context, name=name, heard=heard)


def heard_event(draft: Draft, layout: Layout, name: str) -> Heard:
    """Return an event by its name, with what it carries. Raise NoSuchPart, also if no example can be made of it."""
    event = published_event(draft, layout, name)
    path = f"{layout.folder_of(event.context)}/contracts/events.py"
    facts = facts_of(source.body_with_bases(draft, path, source.classes(draft, path)[event.cls]))
    key = next((fact for fact in facts if fact.name == event.key_field and fact.kind in ("UUID", "str")), None)
    if key is None:
        raise NoSuchPart(
            f"{event.wire} has no {event.key_field} (UUID or str).",
            where=path,
            fix=f"name the id of the {event.aggregate} so, or write this by hand",
        )
    rest = tuple(fact for fact in facts if fact is not key and fact.name != "version")
    for fact in rest:
        if fact.example() is None and not fact.has_default:
            raise NoSuchPart(
                f"No example can be made of {event.wire}: {fact.name} is {fact.annotation}.",
                where=path,
                fix="leave this event out, and write its handler and its test by hand",
            )
    return Heard(event=event, key=key, facts=rest)
