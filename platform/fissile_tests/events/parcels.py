"""Parcels of the depot as messages, and an ear of shoplet that a test can speak into."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from django.apps import apps
from django.db.models import F

from fissile.data.clock import Clock
from fissile.data.guard import writing
from fissile.events.consumers import consumer
from fissile.events.inbox import core
from fissile.events.inbox.begun import Begun
from fissile.events.inbox.received import received
from fissile.events.inbox.shell import InboxShell
from fissile.messages import Envelope, encode_envelope, to_wire, uuid7
from fissile.messages.envelope import CONTENT_TYPE
from fissile_tests.shoplet.events import ParcelPackedV1, ParcelScannedV1, ParcelSentV1

EAR = "shoplet.depot"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
KINDS = {"packed": ParcelPackedV1, "sent": ParcelSentV1, "scanned": ParcelScannedV1}


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A delivery as the bus hands it over."""

    body: bytes
    content_type: str | None = CONTENT_TYPE
    message_id: str | None = None
    redelivered: bool = False


def envelope(parcel: UUID, version: int, note: str = "", *, kind: str = "packed", **changes: Any) -> Envelope:
    """Return version `version` of a parcel's stream."""
    event = KINDS[kind](parcel_id=parcel, note=note)
    plain = Envelope(
        id=uuid7(),
        source="depot",
        type=event.name,
        subject=event.aggregate,
        aggregateversion=version,
        time=datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC),
        correlationid=f"correlation-of-{parcel.hex[:8]}",
        traceparent=PARENT,
        data=to_wire(event),
    )
    values = {name: getattr(plain, name) for name in plain.__struct_fields__}
    return Envelope(**{**values, **changes})


def stream(parcel: UUID | None = None, length: int = 3, **options: Any) -> list[Envelope]:
    """Return versions 1 to `length` of one parcel."""
    parcel = parcel or uuid4()
    return [envelope(parcel, version, **options) for version in range(1, length + 1)]


def arrival(message: Envelope, *, redelivered: bool = False) -> Arrival:
    """Return an envelope as it comes from the bus."""
    return Arrival(body=encode_envelope(message), message_id=str(message.id), redelivered=redelivered)


class Ear:
    """Shoplet's ear on the depot: one shell, whose broker is a list of what it was told.

    With `isolates` it hands suspects over, to the list `isolated`.
    """

    def __init__(self, *, isolates: bool = False, begun: Begun | None = None) -> None:
        self.told: list[str] = []
        self.isolated: list[str] = []
        self.shell = InboxShell(
            consumer(EAR),
            acknowledge=lambda: self.told.append("ack"),
            disconnect=lambda: self.told.append("disconnect"),
            isolate=self.isolated.append if isolates else None,
            begun=begun,
            jitter=lambda: 0.0,
        )

    def hear(self, *messages: Envelope | Arrival, redelivered: bool = False) -> None:
        """Deliver a batch."""
        arrivals = [one if isinstance(one, Arrival) else arrival(one) for one in messages]
        batch = tuple(received(replace(one, redelivered=redelivered)) for one in arrivals)
        self.shell.drive(core.Delivered(batch, redelivered))

    def store(self, *messages: Envelope) -> None:
        """Store messages as if their process had died before it looked at them."""
        arrivals = [received(arrival(one)) for one in messages]
        self.shell._store.ensure([one.aggregate for one in arrivals])
        with writing("shoplet"):
            self.shell._store.store(arrivals)

    def sweep(self) -> None:
        """Look at what is due."""
        self.shell.drive(core.Tick())

    def sweep_until_quiet(self, rounds: int = 30) -> None:
        """Sweep again and again, with every back-off and lease run out at once."""
        for _ in range(rounds):
            hurry()
            if not inbox().filter(state="waiting", due__isnull=False).exists():
                return
            self.sweep()
        raise AssertionError(f"rows are still due after {rounds} sweeps")


def rows_of(model: str) -> Any:
    """Return the rows of one of shoplet's tables."""
    return apps.get_model("shoplet", model).objects.using("shoplet")


def inbox() -> Any:
    """Return shoplet's inbox rows."""
    return rows_of("ShopletInbox").order_by("aggregate", "version")


def hurry() -> None:
    """Let every back-off and every mark's lease run out now."""
    with writing("shoplet"):
        inbox().filter(due__isnull=False).update(due=Clock(), marked_until=None)


def lapse(attempts: int = 1) -> None:
    """Let every mark's lease run out now; make one where there is none, of a run that never came back."""
    with writing("shoplet"):
        waiting = inbox().filter(state="waiting", due__isnull=False)
        waiting.filter(attempts=0).update(attempts=attempts)
        waiting.update(marked_until=Clock())


def heard() -> list[tuple[str, int]]:
    """Return what took effect, in the order in which it did."""
    return list(rows_of("Heard").order_by("id").values_list("aggregate", "version"))


def versions_heard(aggregate: str) -> list[int]:
    """Return the versions of one aggregate that took effect, in order."""
    return [version for name, version in heard() if name == aggregate]


def states(aggregate: str) -> dict[int, str]:
    """Return version → state of an aggregate's inbox rows."""
    return dict(inbox().filter(aggregate=aggregate).values_list("version", "state"))


def position(aggregate: str) -> int:
    """Return how far an aggregate is applied."""
    return rows_of("ShopletPosition").get(aggregate=aggregate).applied_version


def parked_rows_that_are_not_heads() -> list[Any]:
    """Return violations of the invariant: a parked row is always its aggregate's head."""
    positions = dict(rows_of("ShopletPosition").values_list("aggregate", "applied_version"))
    parked = inbox().filter(state="parked").annotate(place=F("version"))
    return [row for row in parked if row.version != positions.get(row.aggregate, 0) + 1]
