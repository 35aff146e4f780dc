"""A TCP link to a broker whose answers a test can hold back, delay, or replace by heartbeats."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from urllib.parse import urlsplit, urlunsplit

# An AMQP 0-9-1 heartbeat frame: type 8, channel 0, no payload, frame end.
HEARTBEAT = b"\x08\x00\x00\x00\x00\x00\x00\xce"


class SlowLink:
    """Passes bytes both ways. `mode` rules the broker's answers: pass, hold, or trickle heartbeats only."""

    def __init__(self, broker_url: str) -> None:
        self._target = urlsplit(broker_url)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.mode = "pass"
        self.delay_seconds = 0.0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The broker's address by way of this link."""
        user, _, _ = self._target.netloc.rpartition("@")
        port = self._server.getsockname()[1]
        return urlunsplit(self._target._replace(netloc=f"{user}@127.0.0.1:{port}"))

    def close(self) -> None:
        """Cut every connection and listen no more."""
        self._end(self._server)
        self._server.close()
        self.cut()
        for one in self._open:
            one.close()

    def cut(self) -> None:
        """Cut every connection; new ones are taken."""
        self._end(*self._open)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                broker = socket.create_connection((self._target.hostname, self._target.port))
                self._open += [client, broker]
                threading.Thread(target=self._forward, args=(client, broker), daemon=True).start()
                threading.Thread(target=self._answer, args=(broker, client), daemon=True).start()

    def _forward(self, client: socket.socket, broker: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                broker.sendall(data)
        self._end(client, broker)

    def _answer(self, broker: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while True:
                if self.mode == "trickle":
                    client.sendall(HEARTBEAT)
                if not select.select([broker], [], [], 0.05)[0] or self.mode != "pass":
                    if self.mode != "pass":
                        time.sleep(0.05)
                    continue
                data = broker.recv(65536)
                if not data:
                    break
                time.sleep(self.delay_seconds)
                client.sendall(data)
        self._end(broker, client)

    def _end(self, *ends: socket.socket) -> None:
        for one in ends:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
