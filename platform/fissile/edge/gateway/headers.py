"""Header hygiene, both ways: strip before adding, allow-list, refuse what reads in two ways. Pure.

Sources: RFC 9110 (7.6.1 hop-by-hop, 5.3 repeated fields), RFC 9112 (3.2 Host,
6.3 message length), ASVS 4.1.3 and 15.3.4 (headers set by an intermediary).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from . import problems
from .limits import Limits

RawHeaders = Iterable[tuple[bytes, bytes]]

FORWARDED = frozenset({
    b"accept", b"accept-encoding", b"accept-language", b"authorization", b"content-type",
    b"idempotency-key", b"if-match", b"if-none-match", b"if-modified-since", b"range", b"user-agent",
})  # fmt: skip
# Twice means that two readers may take different ones.
_SINGLE = frozenset({
    b"authorization", b"content-type", b"content-length", b"transfer-encoding", b"host",
    b"idempotency-key", b"if-modified-since", b"range", b"user-agent",
})  # fmt: skip
_HOP_BY_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection",
    b"te", b"trailer", b"transfer-encoding", b"upgrade",
})  # fmt: skip
# Ours alone (identity of the answer), the server's own (date), or nobody's business.
_NOT_FOR_CLIENTS = frozenset({
    b"server", b"x-powered-by", b"date", b"alt-svc", b"via", b"x-correlation-id", b"x-causation-id",
    b"x-deadline-ms", b"traceresponse", b"traceparent", b"tracestate", b"x-content-type-options",
})  # fmt: skip
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_TARGET = re.compile(rb"(/[!-\"$->@-~]*)(?:\?([!-\"$-~]*))?")
_VALUE = re.compile(rb"[\t -~]*")


@dataclass(frozen=True, kw_only=True)
class Head:
    """A request head after inspection: only this much of it is ever used."""

    method: str
    path: str
    query: str
    host: str
    length: int | None
    has_body: bool
    fields: dict[str, list[str]] = field(default_factory=dict)

    def first(self, name: str) -> str | None:
        """Return the only or first value of a forwarded header."""
        return self.fields[name][0] if name in self.fields else None


def inspected(method: str, version: str, target: bytes, headers: RawHeaders, limits: Limits) -> Head:
    """Return the head in its one reading, or turn away with 400, 414 or 431.

    `target` is the request target as sent. Names with an underscore never match
    the allow-list, so their WSGI twins cannot be spoofed.
    """
    received = [(name.lower(), value) for name, value in headers]
    if len(received) > limits.header_count:
        problems.turn_away(431, "too_many_headers", f"A request may have {limits.header_count} header lines.")
    if sum(len(name) + len(value) + 4 for name, value in received) > limits.head_bytes:
        # The protocol stops heads that come in pieces; one that came in a single read is seen whole here.
        problems.turn_away(431, "head_too_large", f"A request head may have {limits.head_bytes} bytes.")
    if len(target) > limits.target_bytes:
        problems.turn_away(414, "address_too_long", f"An address may have {limits.target_bytes} bytes.")
    shape = _TARGET.fullmatch(target)
    if version not in ("1.0", "1.1") or shape is None:
        problems.bad_request("The request line is not one of HTTP/1.1 with a path.")
    single = _single_values(received)
    length, has_body = _framing(version, single)
    host = single.get(b"host", b"")
    if not _HOST.fullmatch(host):
        problems.bad_request("A request names its host once, as name or name:port.")
    return Head(
        method=method,
        path=shape[1].decode("ascii"),
        query=(shape[2] or b"").decode("ascii"),
        host=host.decode("ascii"),
        length=length,
        has_body=has_body,
        fields=_forwardable(received),
    )


def _single_values(received: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    single: dict[bytes, bytes] = {}
    for name, value in received:
        if name in _SINGLE:
            if name in single:
                problems.bad_request(f"{name.decode('ascii')} is there twice; send it once.")
            single[name] = value
    return single


def _framing(version: str, single: dict[bytes, bytes]) -> tuple[int | None, bool]:
    length, coding = single.get(b"content-length"), single.get(b"transfer-encoding")
    if coding is not None:
        if length is not None or version != "1.1" or coding.lower() != b"chunked":
            problems.bad_request("The length of the body can be read in two ways.")
        return None, True
    if length is None:
        return 0, False
    if not length.isdigit() or len(length) > 15:
        problems.bad_request("content-length is not a number of bytes.")
    return int(length), int(length) > 0


def _forwardable(received: list[tuple[bytes, bytes]]) -> dict[str, list[str]]:
    named = _named_in_connection(received)
    kept: dict[str, list[str]] = {}
    for name, value in received:
        if name in FORWARDED and name not in named:
            if not _VALUE.fullmatch(value):
                problems.bad_request(f"{name.decode('ascii')} has bytes outside visible ASCII.")
            kept.setdefault(name.decode("ascii"), []).append(value.decode("ascii").strip(" \t"))
    return kept


def _named_in_connection(received: list[tuple[bytes, bytes]]) -> set[bytes]:
    return {
        option.strip(b" \t").lower()
        for name, value in received
        if name == b"connection"
        for option in value.split(b",")
    }


def only_value(headers: RawHeaders, wanted: bytes) -> str | None:
    """Return the value of a header that is there exactly once and is ASCII; else None."""
    values = [value for name, value in headers if name.lower() == wanted]
    return values[0].decode("ascii") if len(values) == 1 and values[0].isascii() else None


def for_upstream(
    head: Head, *, public: bool, peer: str, scheme: str, carried: dict[str, str]
) -> list[tuple[str, str]]:
    """Return what an upstream gets: the allow-list first, then our own words."""
    passed = [
        (name, value)
        for name, values in head.fields.items()
        if not (public and name == "authorization")
        for value in values
    ]
    ours = {"x-forwarded-for": peer, "x-forwarded-proto": scheme, "x-forwarded-host": head.host, **carried}
    return passed + list(ours.items())


def for_client(raw: RawHeaders, *, origin: str) -> list[tuple[bytes, bytes]]:
    """Return an upstream's headers without what concerns one hop or names the inside.

    Repeated fields (Set-Cookie) stay as they are; a Location that points to the
    upstream's own `origin` becomes a path.
    """
    received = [(name.lower(), value) for name, value in raw]
    dropped = _HOP_BY_HOP | _NOT_FOR_CLIENTS | _named_in_connection(received)
    inside = origin.encode("ascii")
    kept = []
    for name, value in received:
        if name in dropped:
            continue
        if name == b"location" and value.startswith(inside + b"/"):
            value = value[len(inside):]
        kept.append((name, value))
    return kept
