"""A broker in memory: one exchange, a queue per consumer, confirms, redelivery with its flag, and every way to lose.

A publisher's wire is read one message a step, so a cut connection leaves messages
that were accepted and never confirmed, messages that never arrived, and messages that
arrive when their publisher has long given up and another has taken over.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from .database import Step

FOREVER = float("inf")


class Connection:
    """A publisher's or a consumer's connection; what is unacknowledged when it closes comes back, flagged."""

    def __init__(self, owner: Any) -> None:
        self.owner = owner
        self.is_open = True
        self.blames_message = False
        self.wire: deque[Any] = deque()
        self.verdicts: dict[Any, str] = {}
        self.unacked: list[Delivery] = []


class Delivery:
    """One message in a queue, or on its way to a consumer."""

    __slots__ = ("message", "not_before", "redelivered", "sent_as")

    def __init__(self, message: Any, sent_as: str, not_before: float) -> None:
        self.message, self.sent_as, self.not_before, self.redelivered = message, sent_as, not_before, False


class Broker:
    """`accepted`: every id that a queue ever took. `is_bound` false: every message is returned."""

    def __init__(self, world: Any, consumers: tuple[str, ...]) -> None:
        self.world = world
        self.queues: dict[str, list[Delivery]] = {name: [] for name in consumers}
        self.connections: list[Connection] = []
        self.accepted: set[Any] = set()
        self.lost: set[tuple[str, Any]] = set()
        # Sent by publishers that hung up, and still in some buffer.
        self.late: deque[Any] = deque()
        self.is_up = self.is_bound = True
        self.delay_until = 0.0

    def life(self) -> Step:
        """Take one message off some wire, again and again."""
        while True:
            busy = [one for one in self.connections if one.wire]
            if not self.is_up or not (busy or self.late):
                yield FOREVER
                continue
            number = int(self.world.random() * (len(busy) + bool(self.late)))
            if number < len(busy):
                self._take(busy[number])
            else:
                self._take_late(self.late.popleft())
            yield None

    @property
    def is_busy(self) -> bool:
        """True while a message is on its way."""
        return bool(self.late) or any(self.queues.values()) or any(one.wire for one in self.connections)

    def connect(self, owner: Any) -> Connection | None:
        """Return a connection, or None while the broker is away."""
        if not self.is_up:
            return None
        connection = Connection(owner)
        self.connections.append(connection)
        return connection

    def send(self, connection: Connection, row: Any) -> None:
        """Put a message on the wire."""
        self.world.invariants.on_send(connection.owner, row)
        connection.wire.append(row)
        self.world.broker_task.wake()

    def _take(self, connection: Connection) -> None:
        row = connection.wire.popleft()
        fate = self.world.messages.publish_fate(row["id"])
        if fate == "closes":
            self.close(connection, blames_message=True)
            return
        if not self.is_bound:
            verdict = "returned"
        elif fate == "nacked":
            verdict = "refused"
        else:
            verdict = "confirmed"
            self.world.invariants.on_publish(row)
            self.route(row)
        connection.verdicts[row["id"]] = verdict
        connection.owner.wake()

    def _take_late(self, row: Any) -> None:
        if self.is_bound and not self.world.messages.publish_fate(row["id"]):
            self.world.invariants.on_publish(row)
            self.route(row)

    def route(self, row: Any) -> None:
        """Put a message into every queue."""
        self.accepted.add(row["id"])
        message = self.world.messages.of(row)
        for name, queue in self.queues.items():
            queue.append(Delivery(message, row["id"], self.delay_until))
            self.world.wake_consumers(name)

    def receive(self, connection: Connection, name: str, limit: int) -> list[Delivery]:
        """Hand out up to `limit` messages, mostly in order."""
        queue, now, world = self.queues[name], self.world.database.now, self.world
        ready = [one for one in queue if one.not_before <= now]
        if len(ready) > 1 and world.random() < 0.3:
            world.shuffle(ready)
        taken = ready[:limit]
        for one in taken:
            queue.remove(one)
        connection.unacked += taken
        return taken

    def ack(self, connection: Connection) -> None:
        """Forget everything this consumer holds."""
        connection.unacked = []

    def hang_up(self, connection: Connection) -> None:
        """Close a connection from its owner's side: what it has sent may still arrive."""
        if connection.is_open and self.world.random() < 0.5:
            self.late += connection.wire
            self.world.broker_task.wake()
        self.close(connection)

    def close(self, connection: Connection, *, blames_message: bool = False) -> None:
        """Cut a connection; its wire is lost, its unacknowledged messages come back."""
        if not connection.is_open:
            return
        connection.is_open, connection.blames_message = False, blames_message
        self.connections.remove(connection)
        connection.wire.clear()
        for one in connection.unacked:
            one.redelivered = True
            self.queues[connection.owner.consumer].append(one)
        if connection.unacked:
            self.world.wake_consumers(connection.owner.consumer)
        connection.unacked = []
        connection.owner.wake()

    def restart(self) -> None:
        """Cut every connection and be away; the queues are on disk."""
        self.is_up = False
        self.late.clear()
        for connection in list(self.connections):
            self.close(connection)

    def release(self) -> None:
        """End every delay: all that waited arrives at once."""
        self.delay_until = 0.0
        for name, queue in self.queues.items():
            for one in queue:
                one.not_before = 0.0
            self.world.wake_consumers(name)

    def mend(self) -> None:
        """Be there, with queues bound and nothing delayed."""
        self.is_up = self.is_bound = True
        self.world.broker_task.wake()
        self.release()

    def lose(self, name: str, count: int) -> None:
        """Lose accepted messages of one queue: a deleted queue, a restored broker."""
        queue = self.queues[name]
        for _ in range(min(count, len(queue))):
            gone = queue.pop(int(self.world.random() * len(queue)))
            self.lost.add((name, gone.sent_as))
