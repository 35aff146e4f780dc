"""The codec of carried values for HTTP and message headers.

Trace context is W3C's (`traceparent`, `tracestate`). Identity is not in here: it
travels in a signed token, never in a plain header.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context as otel_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from fissile.messages.ids import uuid7

from .context import Carried, carrying, current

CORRELATION = "x-correlation-id"
CAUSATION = "x-causation-id"
DEADLINE = "x-deadline-ms"
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
# A deadline further away than this is no deadline; it only keeps arithmetic sane.
_LONGEST_DEADLINE_MS = 3_600_000
_trace = TraceContextTextMapPropagator()


def new_correlation_id() -> str:
    """Return a fresh correlation id."""
    return str(uuid7())


def to_headers() -> dict[str, str]:
    """Return the carried values as lower-case headers; the deadline as milliseconds left."""
    carried = current()
    headers = {CORRELATION: carried.correlation_id or new_correlation_id()}
    if carried.causation_id:
        headers[CAUSATION] = carried.causation_id
    if carried.deadline is not None:
        headers[DEADLINE] = str(max(0, round((carried.deadline - time.monotonic()) * 1000)))
    _trace.inject(headers)
    return headers


@contextmanager
def from_headers(headers: Mapping[str, str]) -> Iterator[Carried]:
    """Run a block with what `headers` (lower-case names) carry and nothing else.

    A malformed value counts as absent. The principal starts anonymous: who is
    asking is settled by a token, at the door.
    """
    carried = Carried(
        correlation_id=_identifier(headers.get(CORRELATION)) or new_correlation_id(),
        causation_id=_identifier(headers.get(CAUSATION)),
        deadline=_deadline(headers.get(DEADLINE)),
    )
    token = otel_context.attach(_trace.extract(dict(headers), context=otel_context.Context()))
    try:
        with carrying(carried):
            yield carried
    finally:
        otel_context.detach(token)


def _identifier(value: str | None) -> str | None:
    return value if value and _IDENTIFIER.fullmatch(value) else None


def _deadline(value: str | None) -> float | None:
    if value is None or not value.isascii() or not value.isdigit() or len(value) > 9:
        return None
    return time.monotonic() + min(int(value), _LONGEST_DEADLINE_MS) / 1000
