"""The one codec for values that cross a border, near or far: dataclasses ↔ JSON types.

Model instances, lazy objects and anything that is no plain value are refused.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

from fissile.errors import BrokenContractError

T = TypeVar("T")

_learned: set[Any] = set()
_learning = threading.Lock()


def to_wire(value: Any) -> Any:
    """Return `value` as JSON types (dict, list, str, int, float, bool, None); raise BrokenContractError."""
    try:
        return msgspec.to_builtins(value, str_keys=True)
    except (TypeError, ValueError) as wrong:
        raise BrokenContractError(
            f"{type(value).__name__} cannot cross a border by value: {wrong}. "
            "Pass a dataclass from contracts/types.py instead."
        ) from wrong


def from_wire(shape: type[T] | Any, data: Any) -> T:
    """Return `data` as a value of `shape`; raise BrokenContractError naming the path."""
    if shape not in _learned:
        _learn(shape)
    try:
        return msgspec.convert(data, shape, strict=True, str_keys=True)
    except msgspec.ValidationError as wrong:
        name = getattr(shape, "__name__", str(shape))
        raise BrokenContractError(f"Not a {name}: {wrong}") from wrong


def _learn(shape: Any) -> None:
    # msgspec 0.22 takes a shape apart at its first use, and until it is done any other thread that uses the shape,
    # or one with a part in common, follows a null pointer: the process is gone (SIGSEGV).
    with _learning:
        msgspec.json.Decoder(shape)
        _learned.add(shape)
