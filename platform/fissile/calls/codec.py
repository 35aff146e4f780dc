"""The bytes of calls and answers: JSON by value, read strictly. Near calls go through the same bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import msgspec

from fissile.errors import BrokenContractError, FissileError
from fissile.messages import PROBLEM_TYPE, problem_from, to_wire

from .by_value import NotByValue, ensure_each

JSON_TYPE = "application/json"
# A call carries ids and a few values; more than this is a job for an event or a file.
LARGEST_CALL_BYTES = 65_536
LARGEST_ANSWER_BYTES = 1_048_576
_DEEPEST = 32


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer as it is on the wire. `cause` is what went wrong in this very process, if it did."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    headers: dict[str, str] = field(default_factory=dict)
    cause: BaseException | None = None


def encode(value: Any) -> bytes:
    """Return `value` as JSON bytes; raise BrokenContractError for what has no value form."""
    try:
        return msgspec.json.encode(to_wire(value))
    except (TypeError, ValueError) as wrong:
        raise BrokenContractError(f"A value cannot cross a border as JSON: {wrong}") from wrong


def decode(body: bytes) -> Any:
    """Return the JSON value in `body`; raise ValueError for anything not strictly JSON.

    Refused as well (T41): a name that stands twice, NaN, NUL, lone surrogates,
    endless numbers, depth over 32.
    """
    try:
        value = json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refused)
    except RecursionError as wrong:
        raise ValueError("nested too deeply") from wrong
    _ensure_plain(value, depth=0)
    return value


def problem_reply(error: FissileError, *, cause: BaseException | None = None) -> Reply:
    """Return the problem answer (RFC 9457) for an error.

    A refusal whose facts are no values has broken the contract, and becomes that.
    """
    problem = problem_from(error)
    if isinstance(error, NotByValue):
        # It names types and fields, no values: the caller's developer needs the sentence, near or far.
        problem = replace(problem, code=error.code, detail=str(error))
    try:
        ensure_each(problem.facts, f"the refusal {problem.code}: fact")
        body = encode(problem.body())
    except BrokenContractError as wrong:
        return problem_reply(wrong, cause=cause)
    return Reply(
        status=problem.status,
        body=body,
        content_type=PROBLEM_TYPE,
        headers=problem.headers,
        cause=cause or error,
    )


def _ensure_plain(value: Any, *, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("NUL in text")
        value.encode("utf-8")  # a lone surrogate is a UnicodeEncodeError, which is a ValueError
    elif isinstance(value, list):
        for item in value:
            _ensure_plain(item, depth=depth + 1)
    elif isinstance(value, dict):
        for name, item in value.items():
            _ensure_plain(name, depth=depth)
            _ensure_plain(item, depth=depth + 1)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
