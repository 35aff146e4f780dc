"""How long a call may take and how often it is tried. Touches the clock only."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from fissile import carry
from fissile.errors import BrokenContractError, UnreachableError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class CallPolicy:
    """The limits of one kind of call.

    `deadline_seconds` covers all attempts and pauses; a nearer deadline that is
    carried already wins. Only what certainly did not happen (UnreachableError) is
    tried again, up to `attempts` times in all, after a random pause of at most
    `backoff_seconds`, doubled each time. `is_safe` says that the function only
    reads: an unknown outcome then counts as none, so UncertainError becomes
    UnreachableError.
    """

    deadline_seconds: float = 1.0
    attempts: int = 1
    backoff_seconds: float = 0.05
    is_safe: bool = False

    def __post_init__(self) -> None:
        if self.deadline_seconds <= 0 or self.attempts < 1 or self.backoff_seconds < 0:
            raise BrokenContractError(f"{self}: a call needs some time and at least one attempt.")


def tried(
    attempt: Callable[[], T],
    policy: CallPolicy,
    *,
    pause: Callable[[float], None] = time.sleep,
    jitter: Callable[[float, float], float] = random.uniform,
) -> T:
    """Return what `attempt` returns, trying as the policy says within the carried deadline."""
    for number in range(1, policy.attempts):
        try:
            return attempt()
        except UnreachableError:
            # Full jitter: callers that failed together must not come back together.
            seconds = jitter(0.0, policy.backoff_seconds * 2 ** (number - 1))
            if seconds >= carry.remaining_seconds(policy.deadline_seconds):
                raise
            pause(seconds)
    return attempt()
