"""The broker from outside: a tap that hears what is published, a hand that publishes, a line that can be cut.

May touch: the broker of the house it is given; queues of its own, which it deletes.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import uuid4

from fissile.events import bus
from fissile.events.bus import topology as names
from fissile.messages import Envelope, decode_envelope
from fissile.messages.envelope import CONTENT_TYPE

from .scene import ShopScene, settled


def broker_url(scene: ShopScene) -> str:
    """Return the address of the house's broker."""
    if scene.is_real:
        return scene.house.environment("orders")["BROKER_URL"]
    return f"sqlitebus:///{scene.embedded_file('bus')}"


@dataclass
class Tap:
    """A queue of our own beside the consumers'. `heard`: (message id of the broker, envelope, body)."""

    connection: bus.ConsumerConnection
    heard: list[tuple[str | None, Envelope, bytes]] = field(default_factory=list)

    def listen(self, seconds: float = 0.2) -> None:
        """Take what has come."""
        deliveries = self.connection.receive(seconds, 100)
        for one in deliveries:
            self.heard.append((one.message_id, decode_envelope(one.body, one.content_type), one.body))
        self.connection.ack(deliveries)

    def about(self, aggregate: str) -> list[tuple[str | None, Envelope, bytes]]:
        """Return what was heard about one aggregate, in the order in which it came."""
        self.listen()
        return [entry for entry in self.heard if entry[1].subject == aggregate]

    def first_about(self, aggregate: str, *, seconds: float = 20) -> tuple[str | None, Envelope, bytes]:
        """Return the first message about an aggregate; raise Red."""
        return settled(lambda: self.about(aggregate), seconds=seconds, what=f"a message about {aggregate}")[0]


@contextmanager
def tapped(scene: ShopScene, source: str) -> Iterator[Tap]:
    """Bind one more queue to a context's whole stream, from outside, for a while."""
    url, queue = broker_url(scene), f"proof-{uuid4().hex[:8]}.{source}"
    bus.declare(url, [source], [(queue, source)])
    connection = bus.open_consumer(url, queue, 100)
    try:
        yield Tap(connection)
    finally:
        connection.close()
        with names.connect(url) as broker, broker.channel() as channel:
            # Declared once more: the embedded bus deletes what this very channel knows.
            ours = names.queue(queue, source, embedded=bus.is_embedded(url))(channel)
            ours.declare()
            ours.delete()


def publish_again(scene: ShopScene, source: str, envelope: Envelope, body: bytes, times: int) -> None:
    """Publish a message that was heard before, as a broker does that redelivers."""
    with names.connect(broker_url(scene)) as broker, broker.channel() as channel:
        exchange = names.exchange(source)(channel)
        exchange.declare()
        producer = names.kombu.Producer(channel, exchange, auto_declare=False)
        for _ in range(times):
            producer.publish(
                body,
                routing_key=envelope.type,
                content_type=CONTENT_TYPE,
                content_encoding="utf-8",
                message_id=str(envelope.id),
                delivery_mode=2,
            )


@contextmanager
def unbound(scene: ShopScene, queue: str, source: str) -> Iterator[None]:
    """Take away a queue's binding for a while: what is published then has nobody to go to."""
    url = broker_url(scene)
    if scene.is_real:
        with names.connect(url) as broker, broker.channel() as channel:
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
