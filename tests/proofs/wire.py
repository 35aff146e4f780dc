"""Raw HTTP/1.1: requests no client library would send, and an upstream that writes down what arrives. Loopback."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
# A door that has answered and keeps the connection open has said all it will.
_SILENCE_SECONDS = 1.0


def request(
    method: str, target: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b"", *, length: bool = True
) -> bytes:
    """Return a request as bytes; `length` adds the Content-Length of a body."""
    lines = [f"{method} {target} HTTP/1.1", "Host: shop.example", *(f"{name}: {value}" for name, value in headers)]
    if body and length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def sent(url: str, raw: bytes) -> list[int]:
    """Send bytes to the server at `url`; return the status of every answer that came back."""
    where = urlsplit(url)
    answer = b""
    with socket.create_connection((where.hostname or "", where.port or 80), timeout=10) as line:
        # It may answer and close before it has read all.
        with contextlib.suppress(OSError):
            line.sendall(raw)
        while True:
            line.settimeout(_SILENCE_SECONDS if _STATUS.search(answer) else 10)
            try:
                piece = line.recv(65536)
            except (TimeoutError, ConnectionResetError):
                break
            if not piece:
                break
            answer += piece
    return [int(status) for status in _STATUS.findall(answer)]


@dataclass
class Recorder:
    """An upstream: `arrived` has (path, headers as sent) of every request."""

    url: str = ""
    arrived: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)


@contextmanager
def recorder() -> Iterator[Recorder]:
    """Serve an upstream that answers 200 to everything."""
    seen = Recorder()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            seen.arrived.append((self.path, list(self.headers.items())))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serving(Handler) as url:
        seen.url = url
        yield seen


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that gave up is part of the play."""


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve HTTP with a handler on a free port; yield its URL."""
    server = _Quiet(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
