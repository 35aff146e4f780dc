"""The relay's machine, free of I/O: state + event → effects. It decides; the shell obeys.

An effect list runs in order; an effect that fails answers with Fenced or Lost.
May touch: nothing. No clock, no randomness, no database, no broker.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Rows of one claim. 200 in flight reach four fifths of what 1,000 do on a quorum
# queue, and fit well inside the publish deadline.
WINDOW = 200
# Refusals of one message by a broker that is otherwise well. Lost connections and
# missing consumers never count.
ATTEMPTS = 8
FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 60.0
# After a lost connection, or when nobody is bound: below the time a person waits
# for an event once the cause is mended.
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Pending:
    """A row to publish. `row` is the shell's; the machine looks at `id` and `attempts` only."""

    id: str
    attempts: int = 0
    row: Any = None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What to write on a refused row: why, when to try again, or that it is parked."""

    id: str
    reason: str
    retry_seconds: float
    park: bool


# -- events


@dataclass(frozen=True)
class Tick:
    """Nothing happened, or a wake-up came: look whether there is work."""


@dataclass(frozen=True)
class Leased:
    """The lane is ours under `fence`."""

    fence: int


@dataclass(frozen=True)
class Claimed:
    """The rows to publish next; none means the outbox is empty."""

    rows: tuple[Pending, ...]


@dataclass(frozen=True)
class Confirmed:
    """The broker has this message safe."""

    id: str


@dataclass(frozen=True)
class Refused:
    """The broker, or our encoder, will not take this message."""

    id: str
    reason: str


@dataclass(frozen=True)
class Returned:
    """No queue is bound to the exchange: nobody's fault, and true for every message of this context."""

    id: str
    reason: str


@dataclass(frozen=True)
class Lost:
    """The broker connection is gone. `blames_message`: it closed because of something it was sent."""

    reason: str
    blames_message: bool = False


@dataclass(frozen=True)
class Settled:
    """The verdicts are committed."""


@dataclass(frozen=True)
class Fenced:
    """Somebody else holds the lane: what was published may be duplicated, nothing may be written."""


# -- effects


@dataclass(frozen=True)
class Acquire:
    """Take the lane if it is free → Leased, or nothing."""


@dataclass(frozen=True)
class Claim:
    """Renew the lease and read the next rows, in one short transaction → Claimed | Fenced."""

    fence: int
    limit: int


@dataclass(frozen=True)
class Publish:
    """Publish, pipelined → Confirmed | Refused | Returned for each, or Lost."""

    rows: tuple[Pending, ...]


@dataclass(frozen=True)
class Settle:
    """Write the verdicts under the fence, in one transaction → Settled | Fenced."""

    fence: int
    sent: tuple[str, ...]
    failed: tuple[Failure, ...]
    returned: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Disconnect:
    """Drop the broker connection, whatever state it is in."""


@dataclass(frozen=True)
class Pause:
    """Wait, with the lease kept, then Tick."""

    seconds: float


RelayEvent = Tick | Leased | Claimed | Confirmed | Refused | Returned | Lost | Settled | Fenced
Effect = Acquire | Claim | Publish | Settle | Disconnect | Pause


@dataclass
class Relay:
    """Publishes one context's outbox. Marks only what was confirmed, only under its fence.

    A loss makes the window 1 until a batch settles without one: a message on which
    the broker closes the channel is then alone in flight, and only then blamed.
    """

    fence: int | None = None
    window: int = WINDOW
    inflight: dict[str, Pending] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    returned: dict[str, str] = field(default_factory=dict)
    lost: bool = False
    busy: bool = False
    setbacks: int = 0

    def step(self, event: RelayEvent) -> list[Effect]:
        """Take one event; return what to do, in order."""
        match event:
            case Tick() if not self.busy:
                return [Acquire()] if self.fence is None else self._claim()
            case Leased(fence):
                self.fence = fence
                return self._claim()
            case Claimed(rows):
                return self._begin(rows)
            case Confirmed(message) if self.inflight.pop(message, None):
                self.sent.append(message)
                return self._settle_if_done()
            case Refused(message, reason) if row := self.inflight.pop(message, None):
                self.failed.append(failure(row, reason))
                return self._settle_if_done()
            case Returned(message, reason) if self.inflight.pop(message, None):
                self.returned[message] = reason
                return self._settle_if_done()
            case Lost(reason, blames_message):
                return self._lose(reason, blames_message)
            case Settled():
                return self._go_on()
            case Fenced():
                self._forget()
                self.fence = None
                return [Disconnect()]
        return []

    def _claim(self) -> list[Effect]:
        self.busy = True
        return [Claim(self._held(), self.window)]

    def _begin(self, rows: tuple[Pending, ...]) -> list[Effect]:
        self.busy = bool(rows)
        self.inflight = {row.id: row for row in rows}
        return [Publish(rows)] if rows else []

    def _lose(self, reason: str, blames_message: bool) -> list[Effect]:
        if not self.inflight:
            return [Disconnect()]
        if blames_message and len(self.inflight) == 1:
            self.failed += [failure(row, reason) for row in self.inflight.values()]
        self.lost, self.inflight = True, {}
        return [Disconnect(), *self._settle_if_done()]

    def _settle_if_done(self) -> list[Effect]:
        if self.inflight:
            return []
        reason = next(iter(self.returned.values()), "")
        return [Settle(self._held(), tuple(self.sent), tuple(self.failed), tuple(self.returned), reason)]

    def _go_on(self) -> list[Effect]:
        set_back = self.lost or bool(self.returned)
        self.setbacks = self.setbacks + 1 if set_back else 0
        # Growing after a setback would never leave a culprit alone.
        self.window = 1 if set_back else min(WINDOW, self.window * 2)
        self._forget()
        if set_back:
            return [Pause(min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(self.setbacks - 1, 8)))]
        return self._claim()

    def _forget(self) -> None:
        self.busy = self.lost = False
        self.inflight, self.sent, self.failed, self.returned = {}, [], [], {}

    def _held(self) -> int:
        if self.fence is None:
            raise RuntimeError("the relay acts on a lane it does not hold")
        return self.fence


def failure(row: Pending, reason: str) -> Failure:
    """Return what to write on a refused row: back-off doubles with each attempt, then it is parked."""
    attempt = row.attempts + 1
    delay = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** (attempt - 1))
    return Failure(id=row.id, reason=reason, retry_seconds=delay, park=attempt >= ATTEMPTS)
