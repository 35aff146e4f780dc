"""The shop past the application: logs, inboxes and streams as rows and messages, the same on both tiers.

May touch: rows of each context, read only; queues beside the consumers'.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from fissile.events import bus
from fissile.messages import Envelope
from tests.broker import Tap, broker_url, queue_beside
from tests.house import PUBLISHING, RunningHouse


@dataclass(frozen=True, kw_only=True)
class Committed:
    """An event as its outbox has it."""

    id: str
    aggregate: str
    version: int
    type: str
    data: Mapping[str, Any]


class Received(NamedTuple):
    """A message as a consumer's inbox has it."""

    id: str
    aggregate: str
    version: int
    state: str
    applied_at: Any
    reason: str


@dataclass(kw_only=True)
class Taps:
    """A queue beside the consumers' on each context's stream. `heard`: source → (envelope, body), as they came."""

    house: RunningHouse
    queues: Mapping[str, str]
    # Committed before anybody listened: the first rows of a new shop.
    before: frozenset[str]
    heard: dict[str, list[tuple[Envelope, bytes]]] = field(default_factory=lambda: defaultdict(list))

    def listen(self, *, quiet_seconds: float = 0.5) -> None:
        """Take what has come, until a queue is quiet for so long.

        Nothing is kept open in between, so that a broker may die meanwhile.
        """
        for source, queue in self.queues.items():
            connection = bus.open_consumer(broker_url(self.house), queue, 100)
            try:
                tap = Tap(connection)
                while tap.listen(quiet_seconds):
                    pass
            finally:
                connection.close()
            self.heard[source] += [(envelope, body) for _, envelope, body in tap.heard]

    @property
    def ids(self) -> Counter[str]:
        """How often each event was heard."""
        return Counter(str(envelope.id) for messages in self.heard.values() for envelope, _ in messages)


@contextmanager
def tapped(house: RunningHouse) -> Iterator[Taps]:
    """Listen to each context's stream for the whole run."""
    with ExitStack() as stack:
        queues = {source: stack.enter_context(queue_beside(house, source)) for source in PUBLISHING}
        before = frozenset(event.id for source in queues for event in log_of(house, source))
        yield Taps(house=house, queues=queues, before=before)


def log_of(house: RunningHouse, context: str) -> list[Committed]:
    """Return what a context has committed, each aggregate's events in order."""
    sql = f"SELECT id, aggregate, version, type, payload FROM {context}_outbox ORDER BY aggregate, version"
    return [
        Committed(id=identity(key), aggregate=aggregate, version=version, type=kind, data=decoded(payload))
        for key, aggregate, version, kind, payload in house.rows(context, sql)
    ]


def inbox_of(house: RunningHouse, consumer: str) -> list[Received]:
    """Return a consumer's inbox, each aggregate's messages in order."""
    columns = "message_id, aggregate, version, state, applied_at, reason"
    context = consumer.split(".", 1)[0]
    sql = f"SELECT {columns} FROM {context}_inbox WHERE consumer = '{consumer}' ORDER BY aggregate, version, id"
    return [Received(identity(row[0]), *row[1:]) for row in house.rows(context, sql)]


def stuck_behind(log: Iterable[Committed], poison: frozenset[str]) -> set[str]:
    """Return the poison and what must wait behind it."""
    heads = {event.aggregate: event.version for event in log if event.id in poison}
    return {event.id for event in log if event.version >= heads.get(event.aggregate, event.version + 1)}


def poisonous(house: RunningHouse, totals: Iterable[int]) -> frozenset[str]:
    """Return the ids of the events that placed an order over one of these totals."""
    wanted = set(totals)
    return frozenset(
        event.id
        for event in log_of(house, "orders")
        if event.type == "orders.order_placed.v1" and event.data["total_minor"] in wanted
    )


def identity(value: Any) -> str:
    """Return an id as text: SQLite keeps ids without dashes, PostgreSQL gives them as UUIDs."""
    return str(UUID(str(value)))


def decoded(value: Any) -> Any:
    """Return a JSON column's value: text on SQLite."""
    return json.loads(value) if isinstance(value, str) else value
