"""The request body on its way in: counted, cut at the limit, and a watch on the client. Owns `receive`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from . import problems
from .limits import Limits

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class ClientGone(Exception):
    """The client closed its connection; nobody is left to answer."""


class RequestBody:
    """Reads one request's body; `failure` is why it could not be read to its end, if so."""

    def __init__(self, receive: Receive, *, has_body: bool) -> None:
        self._receive = receive
        self._complete = asyncio.Event()
        if not has_body:
            self._complete.set()
        self.failure: BaseException | None = None
        self.received_bytes = 0

    @property
    def is_complete(self) -> bool:
        """True once nothing of this request is left on the connection."""
        return self._complete.is_set()

    async def chunks(self, limit_bytes: int) -> AsyncIterator[bytes]:
        """Yield the body as it comes; TurnedAway (413) once it is longer than the limit."""
        while not self.is_complete:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.failure = ClientGone()
                raise self.failure
            chunk: bytes = message.get("body", b"")
            self.received_bytes += len(chunk)
            if not message.get("more_body", False):
                self._complete.set()
            if self.received_bytes > limit_bytes:
                try:
                    problems.body_too_large(limit_bytes)
                except problems.TurnedAway as no:
                    self.failure = no
                    raise
            if chunk:
                yield chunk

    async def collected(self, limit_bytes: int) -> bytes:
        """Return the whole body."""
        parts = bytearray()
        async for chunk in self.chunks(limit_bytes):
            parts += chunk
        return bytes(parts)

    async def client_gone(self) -> None:
        """Return when the client has closed its connection; waits for the body's end first."""
        await self._complete.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def linger(self, limits: Limits) -> None:
        """Read and forget what still comes, within bounds, so that the answer is not lost to a reset."""
        try:
            async with asyncio.timeout(limits.linger_seconds):
                async for _ in self.chunks(self.received_bytes + limits.linger_bytes):
                    pass
        except (TimeoutError, ClientGone, problems.TurnedAway):
            return
