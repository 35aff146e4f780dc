"""A consumer's ear for tests: messages go through the real inbox, on the context's own database, without a broker.

May touch: the consumer's inbox. A test that uses it needs `django_db(transaction=True)`: the inbox commits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from uuid import UUID

from django.db.models import QuerySet

from fissile.data.clock import Clock
from fissile.data.guard import writing
from fissile.events.consumers import Consumer
from fissile.events.inbox import core
from fissile.events.inbox.received import Message, read
from fissile.events.inbox.shell import InboxShell
from fissile.events.inbox.store import inbox_of
from fissile.events.models import InboxRow
from fissile.events.receivers import ear
from fissile.messages import Command, Directed, Envelope, Event, Reply, encode_envelope, to_wire, uuid7
from fissile.messages.directed import command_to_send, reply_to_send
from fissile.messages.envelope import CONTENT_TYPE

TOLD_AT = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)


def told(event: Event, version: int = 1) -> Envelope:
    """Return an event as the message that its context publishes: `version` of its aggregate's stream."""
    return Envelope(
        id=uuid7(),
        source=event.context,
        type=event.name,
        subject=event.aggregate,
        aggregateversion=version,
        time=TOLD_AT,
        correlationid="c-1",
        data=to_wire(event),
    )


def sent(command: Command, *, source: str) -> Envelope:
    """Return a command as the message that `source` sends to the context that takes it."""
    return _directed(command_to_send(command), source)


def replied(reply: Reply, request_id: UUID, *, source: str) -> Envelope:
    """Return a reply to the request of that message id, as the message that `source` sends."""
    return _directed(reply_to_send(reply, to="", request_id=request_id), source, causationid=str(request_id))


def _directed(message: Directed, source: str, causationid: str | None = None) -> Envelope:
    return Envelope(
        id=message.id,
        source=source,
        type=message.name,
        subject=message.aggregate,
        aggregateversion=1,
        time=TOLD_AT,
        correlationid="c-1",
        causationid=causationid,
        data=to_wire(message.body),
    )


class Ear:
    """A consumer or receiver, named like its queue, with the inbox in front of it; it wants closing.

    It isolates nothing: a message whose run never came back runs here, where the test sees it.
    """

    def __init__(
        self,
        who: str | Consumer,
        *,
        acknowledge: Callable[[], None] = lambda: None,
        disconnect: Callable[[], None] = lambda: None,
    ) -> None:
        self._consumer = ear(who) if isinstance(who, str) else who
        self._shell = InboxShell(self._consumer, acknowledge=acknowledge, disconnect=disconnect)

    @property
    def name(self) -> str:
        """The consumer's name."""
        return self._consumer.name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def hear(self, *messages: Envelope) -> None:
        """Deliver one batch."""
        self.take([read(encode_envelope(message), CONTENT_TYPE) for message in messages])

    def take(self, messages: Iterable[Message], *, redelivered: bool = False) -> None:
        """Deliver one batch as it was read from a broker, which may say that it was out before."""
        self._shell.drive(core.Delivered(tuple(messages), redelivered))

    def sweep(self) -> None:
        """Look at what is due."""
        self._shell.drive(core.Tick())

    def retry_until_parked(self) -> None:
        """Retry what failed as often as the inbox does, each time at once instead of in a while."""
        for _ in range(core.ATTEMPTS + 1):
            self.retry()

    def retry(self) -> bool:
        """Look at what has failed or was given up as if its time had come; return False if there is no such row."""
        with writing(self._consumer.context):
            found = self._rows().filter(due__isnull=False).update(due=Clock(), marked_until=None)
        self.sweep()
        return bool(found)

    def inbox(self, aggregate: str) -> list[tuple[int, str, str]]:
        """Return one stream's rows in their order: version, state, and the reason up to its first colon."""
        rows = self._rows().filter(aggregate=aggregate).order_by("version")
        return [(row.version, row.state, row.reason.partition(":")[0]) for row in rows]

    def _rows(self) -> QuerySet[InboxRow]:
        return inbox_of(self._consumer.context)._default_manager.filter(consumer=self._consumer.name)

    def close(self) -> None:
        """Give the connection back."""
        self._shell.close()
