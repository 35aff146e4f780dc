"""The callee's side of a call, near or far: check the token, check the offer, run the facade function.

May touch: facades, by name, of the contexts installed here. The near transport
calls `serve` directly, the internal endpoint with what came over HTTP.
"""

from __future__ import annotations

import inspect
import logging
import time
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import msgspec
from django.db import InterfaceError, OperationalError
from opentelemetry import context as otel_context
from opentelemetry import trace

from fissile import carry
from fissile.contexts import registry
from fissile.errors import BrokenContractError, FissileError, Refusal, UncertainError, UnreachableError
from fissile.messages import from_wire
from fissile.trust import ensure_may_call, verify_service

from . import by_value, codec, limits

logger = logging.getLogger("fissile.calls")

# For a caller that sets no deadline; as long as a statement may take in this house.
LONGEST_SECONDS = 15.0


class UnreadableArguments(Refusal):
    """The arguments are not what the function takes."""

    code = "calls.unreadable_arguments"
    status = 400


class CallTooLarge(Refusal):
    """The arguments are larger than a call may be."""

    code = "calls.too_large"
    status = 413


def serve(
    context: str, function: str, *, token: str | None, body: bytes, headers: Mapping[str, str]
) -> codec.Reply:
    """Return the answer to one call; never raises. `headers` have lower-case names."""
    name = f"{context}.{function}"
    with _carrying(headers):
        try:
            return _served(context, function, token or "", body)
        except FissileError as error:
            _log(name, error)
            return codec.problem_reply(error)
        except (OperationalError, InterfaceError) as lost:
            gone = _database_gone(context)
            logger.warning("%s: %s", name, gone, exc_info=lost)
            return codec.problem_reply(gone, cause=lost)
        except Exception as bug:
            logger.exception("%s broke", name)
            return codec.problem_reply(BrokenContractError(f"{name} broke"), cause=bug)


def _served(context: str, function: str, token: str, body: bytes) -> codec.Reply:
    principal = verify_service(token, context)
    with carry.using(principal=principal):
        ensure_may_call(context, function, principal.actor)
        door = door_of(context, function)
        arguments = door.arguments_in(body)
        deadline = time.monotonic() + carry.remaining_seconds(LONGEST_SECONDS)
        if deadline <= time.monotonic():
            raise UnreachableError(f"No time was left when {context}.{function} was to start.")
        with limits.statements_within(context, deadline):
            result = door.function(**arguments)
            by_value.ensure(result, f"{context}.{function}: the result")
            answer = codec.encode({"result": result})
        if len(answer) > codec.LARGEST_ANSWER_BYTES:
            raise BrokenContractError(f"{context}.{function} answers {len(answer)} bytes; page it, or send events.")
        if time.monotonic() > deadline:
            raise UncertainError(f"{context}.{function} was finished after its deadline.")
        return codec.Reply(status=200, body=answer)


@dataclass(frozen=True)
class Door:
    """A facade function and the shape of its arguments."""

    name: str
    function: Callable[..., Any]
    shape: type[msgspec.Struct]

    def arguments_in(self, body: bytes) -> dict[str, Any]:
        """Return the keyword arguments in a JSON body; raise UnreadableArguments or CallTooLarge."""
        if len(body) > codec.LARGEST_CALL_BYTES:
            raise CallTooLarge(f"The arguments of {self.name} are over {codec.LARGEST_CALL_BYTES} bytes.")
        try:
            arguments: Any = from_wire(self.shape, codec.decode(body))
        except (ValueError, BrokenContractError) as wrong:
            raise UnreadableArguments(f"{self.name}: {wrong}") from wrong
        return {name: getattr(arguments, name) for name in self.shape.__struct_fields__}


@cache
def door_of(context: str, function: str) -> Door:
    """Return the door to an offered facade function, found by name; raise BrokenContractError if there is none."""
    package = registry.get(context).package
    found = getattr(import_module(f"{package}.facade"), function, None)
    if not inspect.isfunction(found):
        raise BrokenContractError(
            f"{package}/context.py offers {function}, but {package}/facade.py has no such function."
        )
    return Door(f"{context}.{function}", found, _shape(f"{context}.{function}", found))


def _shape(name: str, function: Callable[..., Any]) -> type[msgspec.Struct]:
    hints = typing.get_type_hints(function)
    fields: list[Any] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise BrokenContractError(f"{name}: {parameter} cannot be named in a call; facades take plain parameters.")
        if parameter.name not in hints:
            raise BrokenContractError(f"{name}: parameter {parameter.name} has no type.")
        given = (parameter.name, hints[parameter.name])
        fields.append(given if parameter.default is parameter.empty else (*given, parameter.default))
    return msgspec.defstruct(f"{name}_arguments".replace(".", "_"), fields, kw_only=True, forbid_unknown_fields=True)


@contextmanager
def _carrying(headers: Mapping[str, str]) -> Iterator[None]:
    """Carry what the headers say, below the server span if one is open already."""
    around = otel_context.get_current()
    with carry.from_headers(headers):
        if not trace.get_current_span(around).get_span_context().is_valid:
            yield
            return
        token = otel_context.attach(around)
        try:
            yield
        finally:
            otel_context.detach(token)


def _database_gone(context: str) -> FissileError:
    if carry.current().deadline is not None and carry.remaining_seconds(1.0) <= 0:
        return UncertainError(f"The deadline passed while {context} was at work.")
    return UnreachableError(f"{context}'s database does not answer; try again shortly.")


def _log(name: str, error: FissileError) -> None:
    if isinstance(error, Refusal):
        logger.info("%s refused: %s", name, error.code)
    elif error.status in (503, 504):
        logger.warning("%s: %s", name, error)
    else:
        logger.error("%s: %s", name, error, exc_info=error)
