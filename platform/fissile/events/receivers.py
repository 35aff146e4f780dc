"""Who carries out which command, and who hears which reply: `@takes`, `@takes_reply`, and the receivers.

A receiver is one context's ear for what one other context says to it alone, named
`<context>.from-<sender>` like its queue. May touch: its own tables of functions; the
outbox of its context, to answer and to look up what was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar

from fissile.contexts import Context, directed_exchange, registry
from fissile.data.clock import database_now
from fissile.data.unit_of_work import unit_of_work
from fissile.errors import BrokenContractError
from fissile.messages import Command, Envelope, Reply, Request, from_wire

from .consumers import HANDLED, Consumer, HandledTwice, consumer, place_of
from .models import OutboxRow
from .outbox import outbox_of

C = TypeVar("C", bound=Command)
_Function = Callable[[Any, Envelope], Any]

# What becomes of a message that came too late or to the wrong door; the inbox keeps it as the reason.
EXPIRED = "expired request"
LATE = "late reply"
UNASKED = "unasked reply"
DROPPED = (EXPIRED, LATE, UNASKED)

# By wire name; and by context that asks, then by wire name of the request.
_commands: dict[str, tuple[type[Command], _Function]] = {}
_replies: dict[str, dict[str, tuple[type[Request], _Function]]] = {}


class NobodyTakes(BrokenContractError):
    """A context declares a command or a request, and no function of it takes what comes."""

    code = "nobody_takes"


class UnknownMessage(BrokenContractError):
    """A command or a reply came for which this context has no handler, or which its sender may not send."""

    code = "unknown_message"


def takes(command: type[C]) -> Callable[[Callable[[C, Envelope], Any]], Callable[[C, Envelope], Any]]:
    """Register a function as the one handler of `command`, for the context that owns it.

    It is called as `handler(command, message)` inside the inbox's transaction, once for
    each command. Of a Request it returns the reply, which commits with its effect.
    """

    def register(function: Callable[[C, Envelope], Any]) -> Callable[[C, Envelope], Any]:
        _put(_commands, command, function)
        return function

    return register


def takes_reply(request: type[Request], *, into: str) -> Callable[[_Function], _Function]:
    """Register a function of context `into` as the one handler of the replies to `request`.

    It is called as `handler(reply, message)` inside the inbox's transaction, at most once
    for each request and never after its `answer_by`; `message.causationid` is the request's id.
    """

    def register(function: _Function) -> _Function:
        table = _replies.setdefault(into, {})
        twin = next((one for one, _ in table.values() if one.answer.name == request.answer.name), request)
        if twin.name != request.name:
            raise HandledTwice(f"{twin.name} and {request.name} are both answered with {request.answer.name}.")
        _put(table, request, function)
        return function

    return register


def _put(table: dict[str, tuple[Any, _Function]], command: type[Command], function: _Function) -> None:
    known = table.get(command.name)
    if known is not None and place_of(known[1]) != place_of(function):
        raise HandledTwice(f"{command.name} is handled in {place_of(known[1])} and in {place_of(function)}.")
    table[command.name] = (command, function)


def ensure_handled(contexts: Iterable[Context]) -> None:
    """Raise NobodyTakes, naming all that is declared by these contexts and handled by none of their functions."""
    missing = [
        *(f"{name} is in `takes` of {one.name}: write a handler, @takes(…)" for one, name in _untaken(contexts)),
        *(f"{name} is in `requests` of {one.name}: write one for its replies, @takes_reply(…)"
          for one in contexts for name in one.requests if name not in _replies.get(one.name, {})),
    ]  # fmt: skip
    if missing:
        raise NobodyTakes("; ".join(missing) + ". It belongs into consumers.py of that context.")


def _untaken(contexts: Iterable[Context]) -> Iterator[tuple[Context, str]]:
    return ((one, name) for one in contexts for name in one.takes if name not in _commands)


@dataclass(frozen=True)
class Receiver(Consumer):
    """A receiver and its handlers: wire name of a command or reply → (its class, function)."""

    requests: MappingProxyType[str, type[Request]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def source(self) -> str:
        """The context that this receiver hears."""
        return self.name.split(".from-", 1)[1]

    @property
    def exchange(self) -> str:
        """The exchange from which nobody else hears."""
        return directed_exchange(self.source, self.context)

    def handles(self, message_type: str) -> bool:
        """True: what is said to this context alone must not be passed over in silence."""
        return True

    def handle(self, message: Envelope) -> str:
        """Call the handler and return what became of the message; answer a request in the same transaction.

        Raise UnknownMessage, BrokenContractError for a payload or an answer of another shape, or the handler's error.
        """
        try:
            shape, function = self.handlers[message.type]
        except KeyError:
            raise UnknownMessage(
                f"{self.name} has no handler for {message.type}, or {self.source} may not send it. "
                "Deploy the code that has, then replay."
            ) from None
        body: Any = from_wire(shape, message.data)
        if isinstance(body, Reply):
            return self._hear(body, function, message)
        if isinstance(body, Request):
            return self._answer(body, function, message)
        function(body, message)
        return HANDLED

    def _answer(self, request: Request, function: _Function, message: Envelope) -> str:
        if self._is_past(request.answer_by):
            return EXPIRED
        answer = function(request, message)
        if not isinstance(answer, type(request).answer):
            raise BrokenContractError(
                f"{place_of(function)} answered {message.type} with a {type(answer).__name__}; "
                f"its contract says {type(request).answer.__name__}."
            )
        with unit_of_work(self.context) as work:
            work.reply(answer, to=self.source, request_id=message.id)
        return HANDLED

    def _hear(self, reply: Reply, function: _Function, message: Envelope) -> str:
        # The outbox is the log: what was asked, of whom and until when is not the replier's to say.
        asked = self._asked(self.requests[message.type], message)
        if asked is None:
            return UNASKED
        if self._is_past(from_wire(datetime, asked.payload["answer_by"])):
            return LATE
        function(reply, message)
        return HANDLED

    def _asked(self, request: type[Request], message: Envelope) -> OutboxRow | None:
        """Return our own record of the request that a reply answers, if it was made and is still kept."""
        kind, _, request_id = message.subject.partition("/")
        rows = outbox_of(self.context)._default_manager.using(self.context)
        # In no other stream than the request's: there a second reply finds its place taken.
        asked = rows.filter(aggregate=f"command/{request_id}", version=1, type=request.name)
        return asked.first() if kind == "reply" else None

    def _is_past(self, moment: datetime) -> bool:
        return database_now(self.context) > moment


def receiver(name: str) -> Receiver:
    """Return a receiver with the handlers that are registered and that its sender may reach."""
    context, _, sender = name.partition(".from-")
    own = registry.get(context)
    commands = {
        command: _commands[command] for command, senders in own.takes.items()
        if sender in senders and command in _commands
    }  # fmt: skip
    asked = [entry for entry in _replies.get(context, {}).values() if entry[0].name.startswith(f"{sender}.")]
    replies = {request.answer.name: (request.answer, function) for request, function in asked}
    requests = {request.answer.name: request for request, _ in asked}
    return Receiver(name, MappingProxyType({**commands, **replies}), MappingProxyType(requests))


def ear(name: str) -> Consumer:
    """Return the consumer or the receiver of a name."""
    return receiver(name) if ".from-" in name else consumer(name)
