"""A link to a server that can be made slow: a TCP proxy on this machine which holds bytes back, in their order.

May touch: a port of its own, and connections to the one server it leads to.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from deploy.local.house import HOST

_CHUNK = 4096
# On their way in one direction of one connection; then the sender has to wait, as with a full socket.
_MOST_CHUNKS = 64


class Link:
    """Leads from `port` to a server's port. Fast until `slow` is called; what is on its way then keeps its time."""

    def __init__(self, to_port: int, rng: random.Random) -> None:
        self.port = 0
        self._to_port, self._rng = to_port, rng
        self._delay_seconds = self._jitter_seconds = 0.0
        self._bytes_per_second = float("inf")

    def slow(self, delay_seconds: float, jitter_seconds: float, bytes_per_second: float) -> None:
        """Hold each byte back for so long in either direction, and let only so many through."""
        self._delay_seconds, self._jitter_seconds = delay_seconds, jitter_seconds
        self._bytes_per_second = bytes_per_second

    def fast(self) -> None:
        """Hold nothing back any more."""
        self.slow(0.0, 0.0, float("inf"))

    async def serve(self, ready: threading.Event, closing: threading.Event) -> None:
        """Lead every connection through until `closing`; set `ready` once `port` is known."""
        server = await asyncio.start_server(self._lead, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            while not closing.is_set():
                await asyncio.sleep(0.05)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self._to_port)
        except OSError:
            writer.transport.abort()
            return
        ways = [asyncio.create_task(self._carry(*way)) for way in ((reader, far_writer), (far_reader, writer))]
        # An end of either side ends both: what is still held back is lost, as with a cut cable.
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for end in (writer, far_writer):
            end.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_MOST_CHUNKS)
        release = asyncio.create_task(self._release(held, writer))
        last = 0.0
        try:
            with suppress(OSError):
                while data := await reader.read(_CHUNK):
                    wait = max(0.0, self._delay_seconds + self._rng.uniform(-1, 1) * self._jitter_seconds)
                    last = max(last, time.monotonic() + wait) + len(data) / self._bytes_per_second
                    await held.put((last, data))
        finally:
            release.cancel()

    async def _release(self, held: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while True:
                due, data = await held.get()
                if (left := due - time.monotonic()) > 0:
                    await asyncio.sleep(left)
                writer.write(data)
                await writer.drain()


@contextmanager
def link_to(port: int, seed: str) -> Iterator[Link]:
    """Serve a link in a thread of its own during the block."""
    link, ready, closing = Link(port, random.Random(seed)), threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(link.serve(ready, closing)), daemon=True)
    thread.start()
    try:
        if not ready.wait(10):
            raise AssertionError(f"no proxy before port {port} within 10 s")
        yield link
    finally:
        closing.set()
        thread.join(10)
