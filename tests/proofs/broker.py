"""The broker from outside, for clauses: a tap that hears what is published, a binding taken away, a line that is cut.

May touch: the broker of the house it is given; queues of its own, which it deletes.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from fissile.events import bus
from fissile.events.bus import topology as names
from fissile.messages import Envelope
from tests import broker

from .scene import ShopScene, settled


class Tap(broker.Tap):
    """What a queue of our own hears; a clause is red if it hears nothing."""

    def first_about(self, aggregate: str, *, seconds: float = 60) -> tuple[str | None, Envelope, bytes]:
        """Return the first message about an aggregate; raise Red."""
        return settled(lambda: self.about(aggregate), seconds=seconds, what=f"a message about {aggregate}")[0]


@contextmanager
def tapped(scene: ShopScene, source: str) -> Iterator[Tap]:
    """Bind one more queue to a context's whole stream, from outside, for a while."""
    with broker.queue_beside(scene.house, source) as queue:
        connection = bus.open_consumer(broker.broker_url(scene.house), queue, 100)
        try:
            yield Tap(connection)
        finally:
            connection.close()


@contextmanager
def unbound(scene: ShopScene, queue: str, source: str) -> Iterator[None]:
    """Take away a queue's binding for a while: what is published then has nobody to go to."""
    url = broker.broker_url(scene.house)
    if scene.is_real:
        with names.connect(url) as server, server.channel() as channel:
            channel.queue_unbind(queue, source, names.WHOLE_STREAM)
    else:
        with scene.connected("bus") as file:
            file.execute("DELETE FROM binding WHERE exchange = ? AND queue = ?", (source, queue))
    try:
        yield
    finally:
        bus.declare(url, [source], [(queue, source)])


class Line:
    """A TCP line to the broker that can swallow what is sent to it, and be cut. Loopback only."""

    def __init__(self, url: str) -> None:
        target = urlsplit(url)
        self._target = (target.hostname or "", target.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = url.replace(f":{target.port}/", f":{port}/", 1)
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._swallows = False
        self.swallowed = b""
        threading.Thread(target=self._accept, daemon=True).start()

    def swallow(self) -> None:
        """From now on nothing that a client sends reaches the broker; the client cannot tell."""
        self._swallows = True

    def cut(self) -> None:
        """Break every connection as a dying machine does, and let new ones through."""
        with self._lock:
            pairs, self._pairs, self._swallows = self._pairs, [], False
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RDWR)
                with contextlib.suppress(OSError):
                    end.close()

    def close(self) -> None:
        """Cut, and accept no more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target, timeout=5)
                server.settimeout(None)
            except OSError:
                return
            with self._lock:
                self._pairs.append((client, server))
            threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_upward: bool) -> None:
        try:
            while piece := source.recv(65536):
                if is_upward and self._swallows:
                    self.swallowed += piece
                else:
                    sink.sendall(piece)
        except OSError:
            pass
        finally:
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_RDWR)


@contextmanager
def line_to(url: str) -> Iterator[Line]:
    """A line to the broker at `url`, for a while."""
    line = Line(url)
    try:
        yield line
    finally:
        line.close()
