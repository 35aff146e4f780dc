"""The gateway's limits that hold for every route; body and time limits stand on the route."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Sizes in bytes, times in seconds. Each default carries its because."""

    # What Django and gunicorn take behind us is 64 fields of 8 KiB; a browser sends under 4 KiB.
    head_bytes: int = 32 * KIB
    header_count: int = 100
    # A cursor or a search fits in a tenth; gunicorn's own request line stops at 4,094 + method.
    target_bytes: int = 4 * KIB
    # A request head is one packet; five seconds is a lost packet on a bad line, not an attack.
    head_seconds: float = 5.0
    # Two attempts and the pause between them stay below the second an upstream that is down may cost.
    connect_seconds: float = 0.4
    connect_retry_pause_seconds: float = 0.1
    # Below every server's keep-alive (gunicorn: 2 s), so that no request is sent into a closing connection.
    keepalive_seconds: float = 1.5
    connections_per_upstream: int = 256
    # After an early answer the rest of a body is read and thrown away: closing at once resets the
    # connection and takes the answer with it.
    linger_bytes: int = 1024 * KIB
    linger_seconds: float = 2.0
    # Readiness is off this long before the listener closes; at least one probe interval behind a balancer.
    drain_seconds: float = 0.0
