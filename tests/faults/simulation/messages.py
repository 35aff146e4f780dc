"""A schedule's messages, and what is wrong with them: at the encoder, the broker, in a row, in a handler."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from .processes import HandlerRaised
from .schedule import Write

HEADERS = {"source": "shop", "time": "2026-01-01T00:00:00+00:00", "correlationid": "c"}


class Messages:
    """Fates by message; `set_aside` holds every id that ever stood under a quarantined one instead."""

    def __init__(self, received: Any) -> None:
        self._received = received
        self.fates: dict[tuple[str, str], str] = {}
        self.set_aside: set[str] = set()
        self._originals: dict[str, Any] = {}
        # By aggregate: how often any of its messages came into the queues.
        self.copies: Counter[str] = Counter()
        self._publish_fates: dict[str, str] = {}
        self._unstorable: set[str] = set()
        self._unreadable: set[str] = set()
        self._made: dict[str, Any] = {}
        self._quarantined: dict[str, UUID] = {}

    def decide(self, write: Write, message_id: str) -> None:
        """Give the event of a write its fates."""
        if write.at_publish:
            self._publish_fates[message_id] = write.at_publish
        if write.is_unstorable:
            self._unstorable.add(message_id)
        if write.is_unreadable:
            self._unreadable.add(message_id)
        for consumer, fate in write.fates.items():
            self.fates[consumer, message_id] = fate

    def repair(self) -> None:
        """End everything that is wrong with any message, as a release with the fix does."""
        for bad in (self.fates, self._publish_fates, self._unstorable, self._unreadable):
            bad.clear()  # type: ignore[attr-defined]

    def publish_fate(self, message_id: str) -> str:
        """Return what is wrong with a message on its way out, or nothing."""
        return self._publish_fates.get(message_id, "")

    def type_of(self, message_id: str) -> str:
        """Return the type of a message that was published, else nothing."""
        return self._made[message_id].type if message_id in self._made else ""

    def of(self, row: Any) -> Any:
        """Return an outbox row's message as a consumer reads it."""
        one = row["id"]
        self.copies[row["aggregate"]] += 1
        if one not in self._made:
            self._made[one] = self._received.Message(
                aggregate=row["aggregate"], version=row["version"], id=one, type=row["type"], payload={},
                headers=HEADERS,
            )  # fmt: skip
        message = self._made[one]
        return self._set_aside(message, "no JSON") if one in self._unreadable else message

    def read_again(self, unreadable: Any) -> Any:
        """Return the message inside one that could not be read; raise while it still cannot."""
        original = self._originals[unreadable.aggregate]
        if original.id in self._unreadable:
            raise HandlerRaised("no JSON")
        return original

    def ensure_storable(self, messages: Iterable[Any]) -> None:
        """Raise what a database says about a content that fits in no row."""
        for message in messages:
            if message.id in self._unstorable and not message.quarantine:
                self._set_aside(message, "too large")
                raise HandlerRaised("too large")

    def quarantined_id(self, message: Any) -> UUID | None:
        """Return the id under which a message that could not be stored stands."""
        return self._quarantined.get(message.id)

    def _set_aside(self, message: Any, reason: str) -> Any:
        quarantined = message.quarantined(reason)
        self._originals[quarantined.aggregate] = message
        self._quarantined[message.id] = quarantined.id
        self.set_aside.add(message.id)
        return quarantined
