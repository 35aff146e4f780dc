"""What may cross a border: values. Anything that lives in this process only is refused by name, with its place.

May touch: the values it is shown, by their type only: a lazy object is not woken by being refused.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import io
import math
import types
from collections.abc import Iterator, Mapping, MappingView
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Any, NoReturn
from uuid import UUID

import msgspec
from django.core.files.base import File
from django.db.models import Manager, Model, QuerySet
from django.db.models.query import RawQuerySet
from django.utils.functional import LazyObject, Promise

from fissile.errors import BrokenContractError

_PLAIN = frozenset({type(None), bool, str, bytes, bytearray, memoryview, UUID, date, time, timedelta})
_DEEPEST = 32
# 4,215 digits; Python itself reads no number of more than 4,300.
_MOST_BITS = 14_000
_A_DATACLASS = "a dataclass from contracts/types.py"
# By type, the first that fits: what it is, and what to pass instead.
_BY_NAME: tuple[tuple[tuple[type, ...], str, str], ...] = (
    ((Model,), "a row of {label}", f"its id, or {_A_DATACLASS}"),
    ((QuerySet, RawQuerySet, Manager), "a query of {label}", f"a list of ids, or of {_A_DATACLASS}"),
    ((Promise,), "lazy text, not translated yet", "str() of it"),
    ((LazyObject,), "a lazy object ({type})", "the value it stands for"),
    ((io.IOBase, File), "a file ({type})", "its bytes if they are few, else where it can be read"),
    (
        (concurrent.futures.Future, asyncio.Future, types.CoroutineType),
        "a result that is not there yet ({type})", "the result",
    ),
    ((Iterator, MappingView, range), "an iterator ({type})", "a list of what it gives"),
    ((type,), "a class ({name})", "a value, or a name"),
    (
        (types.FunctionType, types.BuiltinFunctionType, types.MethodType, partial),
        "a function ({name})", "what it returns",
    ),
    ((str,), "text of a class of its own ({type})", "str() of it"),
    ((BaseException,), "an exception ({type})", "its sentence, or raise a Refusal"),
)  # fmt: skip


class NotByValue(BrokenContractError):
    """Something that only lives in one process was to cross a border."""

    code = "calls.not_by_value"


def ensure(value: Any, where: str) -> None:
    """Raise NotByValue, naming `where` and the place below it, unless `value` is one through and through."""
    _ensure(value, where, 0)


def ensure_each(values: Mapping[str, Any], where: str) -> None:
    """Raise NotByValue for the first of named values that is none; its name follows `where`."""
    for name, value in values.items():
        _ensure(value, f"{where} {name}", 0)


def _ensure(value: Any, where: str, depth: int) -> None:
    # type(), never isinstance(): that would ask a lazy object for the class of what it hides.
    kind = type(value)
    if kind in _PLAIN:
        return
    if depth > _DEEPEST:
        _refuse(where, f"nested over {_DEEPEST} deep, or inside itself", "fewer levels")
    if issubclass(kind, int | float | Decimal | datetime) and not issubclass(kind, Enum):
        _ensure_exact(value, kind, where)
    elif issubclass(kind, Enum):
        _ensure(value.value, f"{where}.value", depth + 1)
    elif issubclass(kind, dict):
        for name, item in value.items():
            _ensure(name, f"a name in {where}", depth + 1)
            _ensure(item, f"{where}[{_shown(name)}]", depth + 1)
    elif issubclass(kind, list | tuple | set | frozenset):
        for number, item in enumerate(value):
            _ensure(item, f"{where}[{number}]", depth + 1)
    elif (fields := _fields(kind)) is not None:
        for name in fields:
            _ensure(getattr(value, name), f"{where}.{name}", depth + 1)
    else:
        _refuse(where, *_named(value, kind))


def _ensure_exact(value: Any, kind: type, where: str) -> None:
    if kind not in (int, float, Decimal, datetime):
        _refuse(where, f"a number or time of a class of its own ({kind.__qualname__})", "a plain one")
    if kind is int:
        if value.bit_length() > _MOST_BITS:
            _refuse(where, f"a whole number of {value.bit_length()} bits", "its bytes")
    elif kind is datetime:
        if value.utcoffset() is None:
            _refuse(where, "a time without a time zone", "an aware one, in UTC")
    elif not (math.isfinite(value) if kind is float else value.is_finite()):
        _refuse(where, "no finite number (NaN or infinite)", "None, or a number")


def _fields(kind: type) -> tuple[str, ...] | None:
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    return kind.__struct_fields__ if issubclass(kind, msgspec.Struct) else None


def _named(value: Any, kind: type) -> tuple[str, str]:
    for families, what, instead in _BY_NAME:
        if issubclass(kind, families):
            words = {"type": kind.__qualname__}
            if "{label}" in what:
                words["label"] = _label(value, kind)
            elif "{name}" in what:
                words["name"] = getattr(value, "__qualname__", kind.__qualname__)
            return what.format(**words), instead
    return f"a {kind.__module__}.{kind.__qualname__}", _A_DATACLASS


def _label(value: Any, kind: type) -> str:
    model = kind if issubclass(kind, Model) else getattr(value, "model", None)
    return str(model._meta.label) if model is not None else "no model"


def _shown(name: Any) -> str:
    # A name may be somebody's address; a field's name is not.
    return repr(name) if type(name) is str and name.isidentifier() and len(name) <= 40 else "…"


def _refuse(where: str, what: str, instead: str) -> NoReturn:
    raise NotByValue(f"{where} is {what}, and cannot cross a border by value. Pass {instead}.")
