"""The relay's machine, free of I/O: state + event → effects. It decides; the shell obeys.

An effect list runs in order; a publish that fails answers with Lost. How relays
share the lanes stands in sharing.py. May touch: nothing. No clock, no randomness,
no database, no broker.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from .sharing import Lane, Plan, lost_lanes, share_out

# Rows of one claim; one batch is in flight while another is read. What a batch costs besides
# its rows is then small, and it fits well inside the publish deadline. A relay that is killed
# sends two of them again at most.
WINDOW = 500
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
    """A row to publish. `row` is the shell's; the machine looks at the rest only."""

    id: str
    lane: int = 0
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
    """These lanes are ours, each under its fence; some that were asked for may be missing."""

    fences: Mapping[int, int]


@dataclass(frozen=True)
class Claimed:
    """The rows to publish next, of lanes still ours, and how all lanes stand; no row means nothing else waits there."""

    rows: tuple[Pending, ...]
    lanes: tuple[Lane, ...]


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
    """The verdicts are committed, except for lanes in `lost`: somebody else holds them, nothing was written there."""

    lost: frozenset[int] = frozenset()


# -- effects


@dataclass(frozen=True)
class Acquire:
    """Take those of these lanes that are free → Leased, or nothing."""

    lanes: tuple[int, ...]


@dataclass(frozen=True)
class Ask:
    """Have these lanes promised to us; their owner gives them back when it sees it."""

    lanes: tuple[int, ...]


@dataclass(frozen=True)
class GiveBack:
    """End the leases of these lanes, if they are still ours."""

    fences: Mapping[int, int]


@dataclass(frozen=True)
class Claim:
    """Renew what is held, read all lanes and the next rows, leaving out those that are `in_flight` → Claimed."""

    fences: Mapping[int, int]
    limit: int
    in_flight: tuple[Pending, ...] = ()


@dataclass(frozen=True)
class Publish:
    """Write to the broker, without waiting; what comes of it is for Await to tell."""

    rows: tuple[Pending, ...]


@dataclass(frozen=True)
class Await:
    """Wait for the broker's word on what was published → Confirmed | Refused | Returned for each, or Lost."""


@dataclass(frozen=True)
class Settle:
    """Write the verdicts, each under the fence of its lane, in one transaction → Settled; `then` claim → Claimed."""

    fences: Mapping[int, int]
    sent: tuple[str, ...]
    failed: tuple[Failure, ...]
    returned: tuple[str, ...]
    reason: str
    then: Claim | None = None


@dataclass(frozen=True)
class Disconnect:
    """Drop the broker connection, whatever state it is in."""


@dataclass(frozen=True)
class Pause:
    """Wait, with the leases kept, then Tick."""

    seconds: float


RelayEvent = Tick | Leased | Claimed | Confirmed | Refused | Returned | Lost | Settled
Effect = Acquire | Ask | GiveBack | Claim | Publish | Await | Settle | Disconnect | Pause


@dataclass
class Relay:
    """Publishes the lanes it holds of one context's outbox. Marks only what was confirmed, only under their fences.

    One batch is in flight at a time. While the broker has it, the batch before is settled
    and the next one is read `ahead`, which goes out only if all of the one in flight was
    confirmed: so an event never passes one of its aggregate that was refused or lost.

    Lanes change hands at a claim, when nothing is in flight; `under` are the fences
    with which the batch in hand was read.

    A loss makes the window 1 until a batch settles without one: a message on which
    the broker closes the channel is then alone in flight, and only then blamed.
    """

    owner: str = ""
    stands_by: bool = False
    held: dict[int, int] = field(default_factory=dict)
    under: dict[int, int] = field(default_factory=dict)
    window: int = WINDOW
    inflight: dict[str, Pending] = field(default_factory=dict)
    ahead: tuple[Pending, ...] = ()
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
                return [self._claim()]
            case Leased(fences):
                self.held.update(fences)
                return [] if self.busy else [self._claim()]
            case Claimed(rows, lanes) if self.inflight:
                return self._read_ahead(rows, lanes)
            case Claimed(rows, lanes):
                return [*self._share_out(lanes), *self._begin(rows)]
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
            case Settled(gone):
                return [*self._lose_lanes(gone), *self._pause()]
        return []

    def _claim(self) -> Claim:
        self.busy = True
        return Claim(dict(self.held), self.window, tuple(self.inflight.values()))

    def _share_out(self, lanes: tuple[Lane, ...]) -> list[Effect]:
        effects = self._lose_lanes(lost_lanes(self.held, lanes))
        plan = share_out(self.owner, self.held, lanes, stands_by=self.stands_by)
        if plan.give:
            effects.append(GiveBack({lane: self.held.pop(lane) for lane in plan.give}))
        if plan.take:
            effects.append(Acquire(plan.take))
        if plan.ask:
            effects.append(Ask(plan.ask))
        return effects

    def _lose_lanes(self, gone: Collection[int]) -> list[Effect]:
        for lane in gone:
            self.held.pop(lane, None)
        # What the broker has yet to say is about messages that another relay sends, too.
        return [Disconnect()] if gone else []

    def _begin(self, rows: tuple[Pending, ...]) -> list[Effect]:
        """Publish `rows`; if as many came as were asked for, read ahead meanwhile."""
        is_full = len(rows) >= self.window
        publish = self._publish(rows)
        self.busy = bool(publish)
        return [*publish, *([self._claim()] if is_full else []), Await()] if publish else []

    def _publish(self, rows: tuple[Pending, ...]) -> list[Effect]:
        rows = tuple(row for row in rows if row.lane in self.held)
        self.inflight = {row.id: row for row in rows}
        self.under = {row.lane: self.held[row.lane] for row in rows}
        return [Publish(rows)] if rows else []

    def _read_ahead(self, rows: tuple[Pending, ...], lanes: tuple[Lane, ...]) -> list[Effect]:
        plan = share_out(self.owner, self.held, lanes, stands_by=self.stands_by)
        # What has changed among lanes, or is to, is for the next claim: then nothing may be in flight.
        self.ahead = rows if plan == Plan() and not lost_lanes(self.held, lanes) else ()
        return []

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
        set_back = self.lost or bool(self.returned)
        self.setbacks = self.setbacks + 1 if set_back else 0
        # Growing after a setback would never leave a culprit alone.
        self.window = 1 if set_back else min(WINDOW, self.window * 2)
        ahead = () if set_back or self.failed else self.ahead
        done = self.under, tuple(self.sent), tuple(self.failed), tuple(self.returned)
        reason = next(iter(self.returned.values()), "")
        self.lost, self.ahead = False, ()
        self.sent, self.failed, self.returned = [], [], {}
        publish = self._publish(ahead)
        settle = Settle(*done, reason, None if set_back else self._claim())
        return [*publish, settle, Await()] if publish else [settle]

    def _pause(self) -> list[Effect]:
        """After a setback nothing was claimed, and nothing is in hand."""
        if not self.setbacks:
            return []
        self.busy = False
        return [Pause(min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(self.setbacks - 1, 8)))]


def failure(row: Pending, reason: str) -> Failure:
    """Return what to write on a refused row: back-off doubles with each attempt, then it is parked."""
    attempt = row.attempts + 1
    delay = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** (attempt - 1))
    return Failure(id=row.id, reason=reason, retry_seconds=delay, park=attempt >= ATTEMPTS)
