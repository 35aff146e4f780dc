"""Unruly calls: duplicates, delays, failures and another order, seeded, on either transport.

May touch: the `send` of the two transports, for as long as the block runs. Production code has no branch for it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from fissile import carry
from fissile.calls import far, near
from fissile.calls.codec import Reply
from fissile.carry.headers import DEADLINE
from fissile.errors import FissileError, UncertainError, UnreachableError

# How long a call is held back for another to pass it: long enough for one that is on
# its way, short against any deadline. A caller that is alone loses no more than this.
PATIENCE_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What is to happen to one call. The same seed and index always give the same one."""

    duplicate: bool = False
    delay_seconds: float = 0.0
    fail: Literal["", "before", "after"] = ""
    hold: bool = False


@dataclass(kw_only=True)
class Call:
    """One attempt to send a call, and what was done to it.

    `runs` counts how often it was handed to the callee's side; `place` is its turn
    among all calls, from 0, once it was let through.
    """

    index: int
    name: str
    transport: Literal["near", "far"]
    fate: Fate
    runs: int = 0
    place: int | None = None
    outcome: str = "on its way"


@dataclass(kw_only=True)
class UnrulyCalls:
    """The kit: odds, seed, and `log`, one `Call` per attempt in the order of their index."""

    seed: int
    duplicate: float = 0.0
    delay_seconds: tuple[float, float] = (0.0, 0.0)
    fail: float = 0.0
    reorder: bool = False
    patience_seconds: float = PATIENCE_SECONDS
    log: list[Call] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _let_through: int = 0
    _answered: int = 0

    def __post_init__(self) -> None:
        low, high = self.delay_seconds
        if not (0 <= self.duplicate <= 1 and 0 <= self.fail <= 1 and 0 <= low <= high):
            raise ValueError(f"{self}: odds lie between 0 and 1, and a delay between its low and its high.")

    def fate_of(self, index: int) -> Fate:
        """Return what happens to the call with this index, the first being 0."""
        dice = random.Random(f"{self.seed}:{index}")  # noqa: S311 - for tests, not for secrets
        # Always the same number of throws, in the same order: raising one of the odds leaves the other fates alone.
        throws = [dice.random() for _ in range(5)]
        low, high = self.delay_seconds
        return Fate(
            duplicate=throws[0] < self.duplicate,
            delay_seconds=low + (high - low) * throws[1],
            fail=("before" if throws[3] < 0.5 else "after") if throws[2] < self.fail else "",
            hold=self.reorder and throws[4] < 0.5,
        )

    def wait_for_calls(self, count: int, *, within_seconds: float) -> bool:
        """Return whether `count` calls have set out within the time; for a test that starts one after the other."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.log) >= count, within_seconds)

    def send(self, way: Literal["near", "far"], send: Callable[..., Reply], name: str, **call: Any) -> Reply:
        """Send one call as its fate says; raise what a broken network would."""
        with self._changed:
            one = Call(index=len(self.log), name=name, transport=way, fate=self.fate_of(len(self.log)))
            self.log.append(one)
            answered_before = self._answered
            self._changed.notify_all()
        ends = time.monotonic() + call["seconds"]
        try:
            self._wait(one, ends, answered_before)
            self._let_pass(one)
            reply = self._run(one, send, call, ends)
            one.outcome = str(reply.status)
            return reply
        except FissileError as failure:
            one.outcome = failure.code
            raise
        finally:
            with self._changed:
                self._answered += 1
                self._changed.notify_all()

    def _wait(self, one: Call, ends: float, answered_before: int) -> None:
        if one.fate.hold:
            with self._changed:
                patience = max(0.0, min(self.patience_seconds, ends - time.monotonic()))
                self._changed.wait_for(lambda: self._answered > answered_before, patience)
        if one.fate.delay_seconds:
            time.sleep(max(0.0, min(one.fate.delay_seconds, ends - time.monotonic())))
        if time.monotonic() >= ends:
            raise UncertainError(f"{one.name} did not answer in time: the test kit held it up.")

    def _let_pass(self, one: Call) -> None:
        with self._changed:
            one.place, self._let_through = self._let_through, self._let_through + 1
        if one.fate.fail == "before":
            raise UnreachableError(f"{one.name} was not asked: the test kit lost it on the way there.")

    def _run(self, one: Call, send: Callable[..., Reply], call: dict[str, Any], ends: float) -> Reply:
        reply = _once(one, send, call, ends)
        if one.fate.duplicate and time.monotonic() < ends:
            with suppress(FissileError):  # nobody waits for the answer to a duplicate
                _once(one, send, call, ends)
        if one.fate.fail == "after":
            raise UncertainError(f"{one.name} did not answer: the test kit lost the answer.")
        return reply


def _once(one: Call, send: Callable[..., Reply], call: dict[str, Any], ends: float) -> Reply:
    left = max(0.0, ends - time.monotonic())
    headers = {**call["headers"]}
    if DEADLINE in headers:
        # The carried time went on while the call was held up.
        headers[DEADLINE] = carry.to_headers().get(DEADLINE, headers[DEADLINE])
    one.runs += 1
    return send(**{**call, "headers": headers, "seconds": left})


@contextmanager
def unruly_calls(
    *,
    seed: int,
    duplicate: float = 0.0,
    delay_seconds: tuple[float, float] = (0.0, 0.0),
    fail: float = 0.0,
    reorder: bool = False,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Iterator[UnrulyCalls]:
    """Let the calls of this process misbehave, in all its threads, and yield the kit with their log.

    `duplicate` and `fail` are odds. A duplicate runs the callee twice and drops the
    second answer. A failure comes before the callee ran (UnreachableError) or after
    (UncertainError, or UnreachableError with `is_safe`). A delay counts against the
    call's deadline. With `reorder` half of the calls wait until another was
    answered, at most `patience_seconds`.
    """
    kit = UnrulyCalls(
        seed=seed,
        duplicate=duplicate,
        delay_seconds=delay_seconds,
        fail=fail,
        reorder=reorder,
        patience_seconds=patience_seconds,
    )
    before = near.send, far.send
    near.send, far.send = _unruly(kit, "near", near.send), _unruly(kit, "far", far.send)
    try:
        yield kit
    finally:
        near.send, far.send = before


def _unruly(kit: UnrulyCalls, way: Literal["near", "far"], send: Callable[..., Reply]) -> Callable[..., Reply]:
    def unruly(
        context: str, function: str, *, token: str, body: bytes, headers: Mapping[str, str], seconds: float
    ) -> Reply:
        # Called by name below: the kit changes what it is about, headers and seconds, and nothing else.
        bound = partial(send, context, function)
        return kit.send(way, bound, f"{context}.{function}", token=token, body=body, headers=headers, seconds=seconds)

    return unruly
