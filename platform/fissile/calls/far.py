"""The far transport: HTTP to the internal endpoint of the process that has the callee.

May touch: the callee's address from the registry. One pool of connections per
process; no redirects, no proxies from the environment, no cookies, no retries (T36).
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NewConnectionError,
)
from urllib3.exceptions import (
    TimeoutError as Urllib3TimeoutError,
)

from fissile.contexts import UnknownContextError, registry
from fissile.errors import BrokenContractError, UncertainError, UnreachableError

from .codec import JSON_TYPE, LARGEST_ANSWER_BYTES, Reply

# As many as a web process has threads, and a few for workers; more would only wait in the callee.
_MOST_CONNECTIONS = 16
# A connection on one host or network stands in milliseconds, or not at all.
_CONNECT_SECONDS = 1.0
_CHUNK_BYTES = 65_536


def _new_pool() -> urllib3.PoolManager:
    return urllib3.PoolManager(num_pools=16, maxsize=_MOST_CONNECTIONS, retries=False)


_pool = _new_pool()


def _forget_pool() -> None:
    # Two processes on one socket would read each other's answers.
    global _pool
    _pool = _new_pool()


os.register_at_fork(after_in_child=_forget_pool)


def send(
    context: str, function: str, *, token: str, body: bytes, headers: Mapping[str, str], seconds: float
) -> Reply:
    """Return the callee's answer; raise UnreachableError before the call was sent, UncertainError after."""
    deadline = time.monotonic() + seconds
    try:
        answer = _pool.request(
            "POST",
            _address(context, function),
            body=body,
            headers={
                **headers,
                "authorization": f"Bearer {token}",
                "content-type": JSON_TYPE,
                "accept-encoding": "identity",
                "user-agent": "fissile",
            },
            redirect=False,
            preload_content=False,
            timeout=urllib3.Timeout(connect=min(seconds, _CONNECT_SECONDS), total=seconds),
        )
        return _read(answer, context, function, deadline)
    except (NewConnectionError, ConnectTimeoutError) as down:
        raise UnreachableError(f"{context} does not answer; {function} was not asked. Try again shortly.") from down
    except LocationValueError as wrong:
        raise BrokenContractError(f"TOPOLOGY has no usable address for {context}: {wrong}") from wrong
    except Urllib3TimeoutError as late:
        raise UncertainError(f"{context} did not answer {function} within {seconds:.3f} s.") from late
    except HTTPError as broken:
        raise UncertainError(f"The connection to {context} broke while it was asked {function}.") from broken


def _address(context: str, function: str) -> str:
    try:
        base = registry.address(context)
    except UnknownContextError as unknown:
        raise BrokenContractError(str(unknown)) from unknown
    return f"{base.rstrip('/')}/internal/{context}/{function}"


def _read(answer: urllib3.BaseHTTPResponse, context: str, function: str, deadline: float) -> Reply:
    if "content-length" not in answer.headers and answer.headers.get("transfer-encoding") != "chunked":
        answer.close()
        # http.client takes headers that were cut off for whole ones; without a length nothing would tell.
        raise UncertainError(f"{context} answered {function} without a length; the answer may be cut off.")
    body = bytearray()
    try:
        # One network read a turn: a neighbour that drips cannot outlive the deadline by dripping.
        while chunk := answer.read1(_CHUNK_BYTES):
            body += chunk
            if len(body) > LARGEST_ANSWER_BYTES:
                raise BrokenContractError(f"{context}.{function} answered more than {LARGEST_ANSWER_BYTES} bytes.")
            if time.monotonic() > deadline:
                raise UncertainError(f"{context} was still answering {function} at the deadline.")
    except BaseException:
        answer.close()  # a half-read connection must not go back to the pool
        raise
    answer.release_conn()
    return Reply(
        status=answer.status,
        body=bytes(body),
        content_type=answer.headers.get("content-type", "").partition(";")[0].strip().lower(),
    )
