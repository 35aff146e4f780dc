"""A message as the inbox knows it: made from a delivery, or of what could not be read. Touches nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from fissile.errors import BrokenContractError
from fissile.messages import Envelope, UndecodableMessage, decode_envelope, encode_envelope
from fissile.messages.envelope import CONTENT_TYPE, TENANT

# The event was discarded at its source; everybody advances past it (MESSAGING, hole 6).
TOMBSTONE = "tombstone"
# Types and aggregate prefixes of our own making; no message may come with them.
UNDECODABLE = "undecodable"
FORKED = "forked"
# In the place of a message that an operator skipped before it arrived.
SKIPPED = "skipped"

# PostgreSQL's integer, and well below the 2,704 bytes of one of its index entries.
LARGEST_VERSION = 2**31 - 1
LONGEST_NAME = 255
# Evidence, not an archive: a larger body is kept cut, and then cannot be replayed.
LARGEST_KEPT_BYTES = 1024 * 1024


class ForkedHistory(BrokenContractError):
    """Two messages claim one place in a stream; find out which one the owner has, then skip this one."""

    code = "forked_history"


class Arrived(Protocol):
    """What a broker hands over, as far as the inbox looks at it."""

    @property
    def body(self) -> bytes: ...
    @property
    def content_type(self) -> str | None: ...
    @property
    def message_id(self) -> str | None: ...
    @property
    def redelivered(self) -> bool: ...


@dataclass(frozen=True, kw_only=True, order=True)
class Message:
    """One event in its place, `version` of `aggregate`; equal if place and id are.

    `quarantine` is the reason why no handler may see it; such a message has an
    aggregate of its own, so that it blocks nobody.
    """

    aggregate: str
    version: int
    id: UUID
    type: str = field(compare=False)
    payload: dict[str, Any] = field(compare=False, repr=False)
    headers: dict[str, Any] = field(compare=False, repr=False)
    quarantine: str = field(default="", compare=False)

    def envelope(self) -> Envelope:
        """Return the envelope as it came."""
        headers = self.headers
        return Envelope(
            id=self.id,
            source=headers["source"],
            type=self.type,
            subject=self.aggregate,
            aggregateversion=self.version,
            time=datetime.fromisoformat(headers["time"]),
            correlationid=headers["correlationid"],
            causationid=headers.get("causationid"),
            traceparent=headers.get("traceparent"),
            tracestate=headers.get("tracestate"),
            tenant=headers.get("tenant", TENANT),
            data=self.payload,
        )

    def quarantined(self, reason: str) -> Message:
        """Return this message as one that could not be stored as it is, whole in its body."""
        return _unreadable(encode_envelope(self.envelope()), CONTENT_TYPE, str(self.id), reason)

    def forked(self, reason: str) -> Message:
        """Return this message as one whose place is taken by another."""
        place = f"{self.id} {self.aggregate}@{self.version}"
        return Message(
            aggregate=f"{FORKED}/{self.id}",
            version=1,
            id=_id_of(place.encode()),
            type=FORKED,
            payload={"aggregate": self.aggregate, "version": self.version, "type": self.type, "data": self.payload},
            headers={**self.headers, "message_id": str(self.id)},
            quarantine=reason,
        )


def received(delivery: Arrived) -> Message:
    """Return the message in a delivery; one that cannot be read is quarantined, never raised (T26)."""
    try:
        return read(delivery.body, delivery.content_type)
    except Exception as wrong:  # noqa: BLE001 - whatever a stranger's bytes do must not stop the others
        return _unreadable(delivery.body, delivery.content_type, delivery.message_id, _sentence(wrong))


def read(body: bytes, content_type: str | None) -> Message:
    """Return the message in `body`; raise UndecodableMessage if it is none, or no row can hold it."""
    envelope = decode_envelope(body, content_type)
    _ensure_storable(envelope, body)
    return Message(
        aggregate=envelope.subject,
        version=envelope.aggregateversion,
        id=envelope.id,
        type=envelope.type,
        payload=envelope.data,
        headers={
            "source": envelope.source,
            "time": envelope.time.isoformat(),
            "correlationid": envelope.correlationid,
            "causationid": envelope.causationid,
            "traceparent": envelope.traceparent,
            "tracestate": envelope.tracestate,
            "tenant": envelope.tenant,
        },
    )


def read_again(unreadable: Message) -> Message:
    """Return the message inside one that could not be read before; raise UndecodableMessage if it still cannot."""
    kept = unreadable.payload
    if kept["truncated"]:
        raise UndecodableMessage(f"its body of {kept['body_bytes']} bytes was not kept whole; publish it again")
    return read(base64.b64decode(kept["body_base64"]), kept["content_type"])


def _unreadable(body: bytes, content_type: str | None, message_id: str | None, reason: str) -> Message:
    kept = body[:LARGEST_KEPT_BYTES]
    return Message(
        aggregate=f"{UNDECODABLE}/{hashlib.sha256(body).hexdigest()}",
        version=1,
        id=_id_of(body),
        type=UNDECODABLE,
        payload={
            "content_type": _storable(content_type),
            "message_id": _storable(message_id),
            "body_base64": base64.b64encode(kept).decode(),
            "body_bytes": len(body),
            "truncated": len(kept) < len(body),
        },
        headers={},
        quarantine=_storable(reason) or UNDECODABLE,
    )


def _id_of(content: bytes) -> UUID:
    # Never the sender's: the same bytes are the same row, and a borrowed id hides no real message.
    return UUID(bytes=hashlib.sha256(content).digest()[:16])


def _ensure_storable(envelope: Envelope, body: bytes) -> None:
    names = (envelope.subject, envelope.type, envelope.source, envelope.correlationid)
    if envelope.aggregateversion > LARGEST_VERSION or any(len(name) > LONGEST_NAME for name in names):
        raise UndecodableMessage("a name is longer than 255 characters, or the version above 2147483647")
    if envelope.subject.split("/", 1)[0] in (UNDECODABLE, FORKED):
        raise UndecodableMessage(f"the aggregate {envelope.subject} is reserved for the inbox")
    # PostgreSQL stores no NUL (T41). Few bodies get as far as the walk.
    if b"\\u0000" in body and any("\0" in text for text in (*names, *_texts(envelope.data))):
        raise UndecodableMessage("a text in it contains the character NUL")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _storable(text: str | None) -> str | None:
    if text is None:
        return None
    return str(text)[:500].replace("\0", "␀").encode("utf-8", "replace").decode()


def _sentence(wrong: Exception) -> str:
    return f"{type(wrong).__name__}: {wrong}"
