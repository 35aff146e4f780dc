"""The kinds of value that cross a border, by name. Free of Django, as a declaration is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, NamedTuple
from uuid import UUID


class Colour(Enum):
    RED = "red"


class Size(IntEnum):
    LARGE = 3


class Point(NamedTuple):
    x: int
    y: int


@dataclass(frozen=True)
class Narrow:
    """What the callee of yesterday knows."""

    name: str


@dataclass(frozen=True)
class Wide:
    """What the caller of today sends: one field more."""

    name: str
    nickname: str


KINDS: dict[str, Any] = {
    "text": str, "whole": int, "flag": bool, "number": float, "decimal": Decimal, "uuid": UUID, "moment": datetime,
    "day": date, "clock": time, "span": timedelta, "octets": bytes, "colour": Colour, "size": Size, "point": Point,
    "list": list[int], "tuple": tuple[int, ...], "pair": tuple[int, str], "set": set[int], "frozen": frozenset[str],
    "map": dict[str, int], "numbered": dict[int, str], "narrow": Narrow, "wide": Wide, "perhaps": Narrow | None,
    "either": int | str, "anything": Any,
}  # fmt: skip
