"""uvicorn's httptools protocol, made strict: what an ASGI application cannot see is refused here.

httptools (llhttp) and not h11: h11 reads bare LF, folded lines, two equal
Content-Lengths, Content-Length beside Transfer-Encoding, control characters in
values and HTTP/2.0 as fine; llhttp refuses them. What llhttp lets through
(no bound on the head, trailers mixed into headers, upgrades, pipelining) is
refused below; what ASGI shows is refused by headers.py under every server.
Use: `uvicorn … --http fissile.edge.gateway.protocol:StrictHttpProtocol`.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .limits import Limits
from .problems import problem
from .visit import Visit


class StrictHttpProtocol(HttpToolsProtocol):
    """One client connection: bounded heads, header time-out, no pipelining, no upgrades, problems for answers."""

    limits = Limits()

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_bytes = 0
        self._in_head = False
        self._head_timer: asyncio.TimerHandle | None = None
        # Refused: whatever still comes is counted and thrown away.
        self._is_deaf = False
        self._ignored_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            self._ignored_bytes += len(data)
            if self._ignored_bytes > self.limits.linger_bytes:
                self.transport.abort()
            return
        if self._is_idle:
            self._expect_head()
            self._head_bytes += len(data)
            # The piece that ends the head may bring some of the body with it.
            if self._in_head and self._head_bytes - len(data) > self.limits.head_bytes:
                self._too_large()
                return
        super().data_received(data)
        if self._in_head and self._head_bytes > self.limits.head_bytes and not self._is_deaf:
            self._too_large()

    # -- parser callbacks --

    def on_message_begin(self) -> None:
        if not self._is_idle:
            raise ValueError("a second request before the answer to the first")
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # After the head these are trailers; uvicorn would append them to the headers.
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            raise ValueError("no upgrades, no tunnels")
        self._in_head = False
        self._head_bytes = 0
        self._stop_head_timer()
        peer = self.client[0] if self.client else "unknown"
        # The peer of the socket, whatever a proxy-headers middleware makes of `client`.
        self.scope["extensions"] = {"fissile.peer": peer, "fissile.target": self.url}  # type: ignore[dict-item]
        super().on_headers_complete()

    # -- refusals --

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser refused; never in the middle of another answer."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            self._is_deaf = True
            if cycle.more_body and not cycle.response_started:
                self._refuse(400, "bad_request", "The body is not well-formed HTTP/1.1.")
                cycle.disconnected = True
                cycle.message_event.set()
            elif cycle.more_body:
                self.transport.close()
            else:
                # Bytes after a whole request: the answer to it goes out, and then the connection ends.
                cycle.keep_alive = False
            return
        self._refuse(400, "bad_request", "The request is not well-formed HTTP/1.1.")

    def _too_large(self) -> None:
        self._refuse(431, "head_too_large", f"A request head may have {self.limits.head_bytes} bytes.")

    def _head_too_slow(self) -> None:
        self._head_timer = None
        if self._in_head or self._head_bytes:
            self._refuse(408, "request_timeout", "The request did not arrive in time; send it again.")
        else:
            self.transport.close()

    def _refuse(self, status: int, code: str, detail: str) -> None:
        if self.transport.is_closing():
            return
        self._is_deaf = True
        self._stop_head_timer()
        self._unset_keepalive_if_required()
        peer = self.client[0] if self.client else "unknown"
        with Visit(method="", headers=(), peer=peer) as visit:
            headers, body = visit.answers(problem(status, code, detail))
        lines = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode("ascii"))]
        lines += [name + b": " + value for name, value in [*headers, (b"connection", b"close")]]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        # Half-close and let the rest drain: closing with unread bytes would reset the answer away.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(self.limits.linger_seconds, self.transport.close)

    # -- the head's clock --

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _expect_head(self) -> None:
        if self._head_timer is None and not self._is_deaf:
            self._head_timer = self.loop.call_later(self.limits.head_seconds, self._head_too_slow)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
