"""Who handles which event: the `@consumes` decorator and the handlers of each consumer.

A consumer is one context's ear on one source's stream, named `<context>.<source>`
like its queue. May touch: nothing but its own table of functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from fissile.errors import BrokenContractError
from fissile.messages import Envelope, Event, from_wire

E = TypeVar("E", bound=Event)
Handler = Callable[[E, Envelope], None]
_AnyHandler = Callable[[Any, Envelope], None]

# What became of a message whose handler ran.
HANDLED = "handled"

_handlers: dict[str, dict[str, tuple[type[Event], _AnyHandler]]] = {}


class HandledTwice(BrokenContractError):
    """One consumer has two handlers for one event; make one of them call the other."""

    code = "handled_twice"


class UnknownVersion(BrokenContractError):
    """A handled event came in a version that this consumer's code does not know."""

    code = "unknown_version"


@dataclass(frozen=True)
class Consumer:
    """A consumer and its handlers: wire name → (class of the event, function)."""

    name: str
    handlers: Mapping[str, tuple[type[Any], _AnyHandler]] = field(default_factory=dict)

    @property
    def context(self) -> str:
        """The context whose database holds this consumer's inbox; also its alias."""
        return self.name.split(".", 1)[0]

    @property
    def source(self) -> str:
        """The context whose stream this consumer follows."""
        return self.name.split(".", 1)[1]

    @property
    def exchange(self) -> str:
        """The exchange that this consumer's queue is bound to."""
        return self.source

    def handles(self, event_type: str) -> bool:
        """True if there is a handler for a wire name, or must be one.

        Another version of a handled event counts: passing it over in silence would
        lose a fact that this consumer cares for.
        """
        return event_type in self.handlers or _fact(event_type) in map(_fact, self.handlers)

    def handle(self, message: Envelope) -> str:
        """Call the handler and return HANDLED.

        Raise UnknownVersion, BrokenContractError for a payload of another shape, or the handler's error.
        """
        try:
            event_class, function = self.handlers[message.type]
        except KeyError:
            raise UnknownVersion(
                f"{self.name} handles other versions of {message.type}, but not this one. "
                "Deploy the code that does, then replay."
            ) from None
        function(from_wire(event_class, message.data), message)
        return HANDLED


def consumes(event: type[E], *, into: str) -> Callable[[Handler[E]], Handler[E]]:
    """Register a function as the handler of `event` for context `into`.

    It is called as `handler(event, message)` inside the inbox's transaction on
    the database of `into`, once per message and in the order of each aggregate.
    It writes projections, or calls use cases: their units of work join that transaction.
    """
    name = f"{into}.{event.name.split('.', 1)[0]}"

    def register(function: Handler[E]) -> Handler[E]:
        table = _handlers.setdefault(name, {})
        known = table.get(event.name)
        if known is not None and place_of(known[1]) != place_of(function):
            raise HandledTwice(f"{name} handles {event.name} in {place_of(known[1])} and in {place_of(function)}.")
        table[event.name] = (event, function)
        return function

    return register


def consumer(name: str) -> Consumer:
    """Return a consumer with the handlers registered so far; a consumer without any only keeps count."""
    return Consumer(name, MappingProxyType(_handlers.get(name, {})))


def consumers_of(context: str) -> tuple[Consumer, ...]:
    """Return the consumers of a context that have handlers, by name."""
    return tuple(consumer(name) for name in sorted(_handlers) if name.split(".", 1)[0] == context)


def _fact(event_type: str) -> str:
    return event_type.rpartition(".v")[0]


def place_of(function: Callable[..., Any]) -> str:
    """Return where a handler is written, for people."""
    return f"{function.__module__}.{function.__qualname__}"
