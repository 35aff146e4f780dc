"""Ask another context: near if it is installed in this process, far if not; the caller cannot tell.

May touch: registry, tokens, the two transports. Refused while a transaction is open.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, overload

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from fissile import carry
from fissile.contexts import registry
from fissile.data import guard
from fissile.data.unit_of_work import in_open_transaction
from fissile.errors import BrokenContractError, Refusal, UncertainError, UnreachableError
from fissile.trust import mint_service

from . import answers, by_value, codec, far, near
from .policy import CallPolicy, tried

T = TypeVar("T")

_tracer = trace.get_tracer("fissile.calls")
DEFAULT_POLICY = CallPolicy()


class CallInsideTransaction(BrokenContractError):
    """A neighbour was asked while a transaction is open; ask first (gather), then decide."""

    code = "call_inside_transaction"


@dataclass(frozen=True)
class Neighbour:
    """A context as seen from another. Made by `neighbour()`."""

    name: str
    caller: str | None = None

    @overload
    def ask(
        self, function: str, arguments: Mapping[str, Any], *, returns: type[T], policy: CallPolicy = ...
    ) -> T: ...

    @overload
    def ask(
        self, function: str, arguments: Mapping[str, Any], *, returns: Any, policy: CallPolicy = ...
    ) -> Any: ...

    def ask(
        self, function: str, arguments: Mapping[str, Any], *, returns: Any, policy: CallPolicy = DEFAULT_POLICY
    ) -> Any:
        """Return the facade function's result as a value of `returns`.

        Raise the callee's Refusal; UnreachableError: it did not happen;
        UncertainError: it may have (never with `policy.is_safe`);
        BrokenContractError: the two sides disagree; NotByValue: an argument or the
        result is no value; CallInsideTransaction, if the guard refuses that.
        """
        call = f"{self.name}.{function}"
        if (alias := in_open_transaction()) is not None:
            _asked_inside(call, alias)
        if not function.isidentifier() or not self.name.isidentifier():
            raise BrokenContractError(f"{call!r} is no name of a facade function.")
        by_value.ensure_each(arguments, f"{call}: argument")
        body = codec.encode(dict(arguments))
        with (
            carry.using(deadline=time.monotonic() + policy.deadline_seconds),
            _tracer.start_as_current_span(
                f"call {call}", kind=SpanKind.CLIENT, record_exception=False, set_status_on_exception=False
            ) as span,
        ):
            try:
                return tried(partial(self._once, function, body, returns, policy), policy)
            except Refusal as no:
                span.set_attribute("fissile.refusal", no.code)
                raise
            except (UnreachableError, UncertainError, BrokenContractError) as failure:
                span.set_status(Status(StatusCode.ERROR, failure.code))
                raise

    def _once(self, function: str, body: bytes, returns: Any, policy: CallPolicy) -> Any:
        name = f"{self.name}.{function}"
        seconds = carry.remaining_seconds(policy.deadline_seconds)
        if seconds <= 0:
            raise UnreachableError(f"No time was left to ask {name}.")
        transport = near if registry.is_near(self.name) else far
        token = mint_service(self.name, carry.current().principal, caller=self.caller)
        try:
            reply = transport.send(
                self.name, function, token=token, body=body, headers=carry.to_headers(), seconds=seconds
            )
            value = answers.read(reply, name=name, returns=returns)
            if carry.remaining_seconds(policy.deadline_seconds) <= 0:
                raise UncertainError(f"{name} answered after the deadline of {seconds:.3f} s.")
        except UncertainError as unknown:
            if policy.is_safe:
                raise UnreachableError(f"{unknown} It only reads, so nothing happened.") from unknown
            raise
        return value


def _asked_inside(call: str, alias: str) -> None:
    guard.breach(
        "calls", alias, f"call {call} while a transaction is open",
        lambda: CallInsideTransaction(
            f"{call} was asked while a transaction on {alias} is open: its locks would wait for a neighbour. "
            "Ask before the transaction, in `gather`."
        ),
    )  # fmt: skip


def neighbour(name: str, caller: str | None = None) -> Neighbour:
    """Return the context `name` as `caller` may ask it; `caller` defaults to this process's only context."""
    return Neighbour(name, caller)
