"""The envelope of a message: CloudEvents 1.0 (CNCF), JSON structured mode, plus extensions.

Extensions are lower-case as the specification asks: `aggregateversion`,
`correlationid`, `causationid`, `tenant`, and `traceparent`/`tracestate` from the
distributed-tracing extension.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from fissile.errors import BrokenContractError

CONTENT_TYPE = "application/cloudevents+json"
# No tenants yet; the constant keeps keys and envelopes stable when they come.
TENANT = "shop"


class UndecodableMessage(BrokenContractError):
    """A message is not a CloudEvents envelope this house can read."""

    code = "undecodable_message"


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """One event on the wire.

    `id` is the message id: retries, replays and tombstones keep it. `subject` is
    the aggregate, `aggregateversion` its place in that aggregate's stream, from 1.
    """

    id: UUID
    source: str
    type: str
    subject: str
    aggregateversion: int
    time: datetime
    correlationid: str
    data: dict[str, Any]
    causationid: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    tenant: str = TENANT
    specversion: str = "1.0"
    datacontenttype: str = "application/json"


_decoder = msgspec.json.Decoder(Envelope, strict=True)


def encode_envelope(envelope: Envelope) -> bytes:
    """Return the envelope as UTF-8 JSON."""
    return msgspec.json.encode(envelope)


def decode_envelope(body: bytes, content_type: str | None) -> Envelope:
    """Return the envelope in `body`; raise UndecodableMessage naming what is wrong.

    Only JSON is read: the content type is compared with an allow-list before a
    byte of the body is looked at.
    """
    if content_type not in (CONTENT_TYPE, "application/json"):
        raise UndecodableMessage(f"content type {content_type!r} is not {CONTENT_TYPE}")
    try:
        envelope = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise UndecodableMessage(f"not a CloudEvents envelope: {wrong}") from wrong
    if envelope.specversion != "1.0" or envelope.aggregateversion < 1 or "/" not in envelope.subject:
        raise UndecodableMessage(
            f"message {envelope.id}: specversion, subject or aggregateversion is out of range"
        )
    return envelope
