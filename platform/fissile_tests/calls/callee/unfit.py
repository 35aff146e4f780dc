"""Things that live in one process only: what each is called when it is refused, and what to pass instead."""

from __future__ import annotations

import asyncio
import functools
import io
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.core.files.base import ContentFile
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy


@dataclass(frozen=True)
class Box:
    """A value with something in it."""

    content: Any


@dataclass(frozen=True)
class Unfit:
    """How to make one; the words that name it; what the sentence advises."""

    make: Callable[[], Any]
    named: str
    instead: str


def _wake() -> Any:
    raise AssertionError("a lazy object was woken")


def _heard() -> Any:
    return apps.get_model("shoplet", "Heard")


async def _later() -> int:
    return 1


def _coroutine() -> Any:
    # Closed, so that nobody complains that it was never awaited.
    coroutine = _later()
    coroutine.close()
    return coroutine


def _async_future() -> Any:
    loop = asyncio.new_event_loop()
    loop.close()
    return asyncio.Future(loop=loop)


def _knot() -> list[Any]:
    knot: list[Any] = []
    knot.append(knot)
    return knot


KINDS = {
    "row": Unfit(lambda: _heard()(note="x"), "a row of shoplet.Heard", "its id, or a dataclass"),
    "queryset": Unfit(lambda: _heard().objects.all(), "a query of shoplet.Heard", "a list of ids"),
    "values": Unfit(lambda: _heard().objects.values("id"), "a query of shoplet.Heard", "a list of ids"),
    "raw query": Unfit(lambda: _heard().objects.raw("SELECT 1"), "a query of shoplet.Heard", "a list of ids"),
    "manager": Unfit(lambda: _heard().objects, "a query of shoplet.Heard", "a list of ids"),
    "translation": Unfit(lambda: gettext_lazy("hello"), "lazy text", "str() of it"),
    "lazy object": Unfit(lambda: SimpleLazyObject(_wake), "a lazy object (SimpleLazyObject)", "the value it stands"),
    "generator": Unfit(lambda: (n for n in [1]), "an iterator (generator)", "a list"),
    "map": Unfit(lambda: map(str, [1]), "an iterator (map)", "a list"),
    "range": Unfit(lambda: range(3), "an iterator (range)", "a list"),
    "keys": Unfit(lambda: {"a": 1}.keys(), "an iterator (dict_keys)", "a list"),
    "open file": Unfit(lambda: io.BytesIO(b"x"), "a file (BytesIO)", "its bytes"),
    "stored file": Unfit(lambda: ContentFile(b"x"), "a file (ContentFile)", "its bytes"),
    "function": Unfit(lambda: _wake, "a function (_wake)", "what it returns"),
    "lambda": Unfit(lambda: lambda: 1, "a function (<lambda>.<locals>.<lambda>)", "what it returns"),
    "built-in": Unfit(lambda: len, "a function (len)", "what it returns"),
    "method": Unfit(lambda: "x".join, "a function (str.join)", "what it returns"),
    "partial": Unfit(lambda: functools.partial(print), "a function (partial)", "what it returns"),
    "class": Unfit(lambda: Box, "a class (Box)", "a value"),
    "future": Unfit(Future, "a result that is not there yet (Future)", "the result"),
    "coroutine": Unfit(_coroutine, "a result that is not there yet (coroutine)", "the result"),
    "async future": Unfit(_async_future, "a result that is not there yet (Future)", "the result"),
    "safe text": Unfit(lambda: mark_safe("<b>"), "text of a class of its own (SafeString)", "str() of it"),
    "exception": Unfit(lambda: ValueError("x"), "an exception (ValueError)", "its sentence, or raise a Refusal"),
    "lock": Unfit(threading.Lock, "a _thread.lock", "a dataclass from contracts/types.py"),
    "complex": Unfit(lambda: 1j, "a builtins.complex", "a dataclass"),
    "naive time": Unfit(lambda: datetime(2026, 1, 1), "a time without a time zone", "an aware one"),  # noqa: DTZ001
    "no number": Unfit(lambda: float("nan"), "no finite number", "None, or a number"),
    "infinity": Unfit(lambda: float("inf"), "no finite number", "None, or a number"),
    "no decimal": Unfit(lambda: Decimal("NaN"), "no finite number", "None, or a number"),
    "endless number": Unfit(lambda: 1 << 20_000, "a whole number of 20001 bits", "its bytes"),
    "knot": Unfit(_knot, "nested over 32 deep", "fewer levels"),
}
