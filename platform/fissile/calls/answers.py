"""Turns an answer into the value or the error that the caller gets: the same for near and far."""

from __future__ import annotations

from typing import Any

from fissile.errors import BrokenContractError, FissileError, Refusal, UncertainError, UnreachableError
from fissile.messages import PROBLEM_TYPE, from_wire

from . import by_value, codec

_PROBLEM_MEMBERS = frozenset({"type", "title", "status", "code", "detail", "instance"})
# The endpoint's own refusals say that the two sides disagree about the call itself. They
# must not travel on as if the callee's business had refused: a 401 here is no user's 401.
_DOOR_CODES = ("calls.", "not_authenticated", "not_found", "method_not_allowed")


def read(reply: codec.Reply, *, name: str, returns: Any) -> Any:
    """Return the result as a value of `returns`, or raise the error in the answer.

    Refusals come back as the class that owns their code.
    """
    if reply.status == 200 and reply.content_type == codec.JSON_TYPE:
        document = _document(reply, name)
        if set(document) != {"result"}:
            raise BrokenContractError(f"{name} answered an object without a single `result`.")
        return from_wire(returns, document["result"])
    raise _error_in(reply, name) from reply.cause


def _error_in(reply: codec.Reply, name: str) -> FissileError:
    problem = _document(reply, name) if reply.content_type == PROBLEM_TYPE else {}
    detail, code = str(problem.get("detail", "")), str(problem.get("code", ""))
    if reply.status == 503:
        return UnreachableError(detail or f"{name} is not available; try again shortly.")
    if reply.status == 504:
        return UncertainError(detail or f"{name} did not answer in time.")
    if code == by_value.NotByValue.code:
        return by_value.NotByValue(detail)
    if 400 <= reply.status < 500 and code and not code.startswith(_DOOR_CODES):
        return _refusal(reply, name, problem, code, detail)
    return BrokenContractError(f"{name} answered {reply.status} {code or reply.content_type}: {detail}")


def _refusal(reply: codec.Reply, name: str, problem: dict[str, Any], code: str, detail: str) -> FissileError:
    facts = {fact: value for fact, value in problem.items() if fact not in _PROBLEM_MEMBERS}
    try:
        refusal = Refusal.from_wire(code, detail, facts)
    except TypeError as wrong:
        return BrokenContractError(f"{name} refused with {code}, whose class does not take its facts: {wrong}")
    if type(refusal) is Refusal:
        # Its contract is not installed here; status and code still are the callee's.
        refusal.status = reply.status  # type: ignore[misc]
    return refusal


def _document(reply: codec.Reply, name: str) -> dict[str, Any]:
    try:
        document = codec.decode(reply.body)
    except ValueError as wrong:
        raise BrokenContractError(f"{name} answered {reply.status} with no JSON: {wrong}") from wrong
    if not isinstance(document, dict):
        raise BrokenContractError(f"{name} answered {reply.status} with JSON that is no object.")
    return document
