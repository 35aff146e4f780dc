"""What the gateway's tests stand on: an upstream in a thread, a gateway process, a bare socket."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

STAGE = Path(__file__).with_name("gateway_stage.py")
MIB = 1024 * 1024
# How long a test waits for something that must happen; never a measure.
PATIENCE_SECONDS = 20.0


class Upstream:
    """An aiohttp server in a thread of its own; remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[dict] = []
        self.first_megabyte = threading.Event()
        self.held = threading.Event()
        self.client_gone = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._release = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE_SECONDS)

    def release(self) -> None:
        """Let the held request be answered."""
        self._loop.call_soon_threadsafe(self._release.set)

    def forget(self) -> None:
        """Start a test afresh."""
        self.requests.clear()
        for event in (self.first_megabyte, self.held, self.client_gone):
            event.clear()
        self._loop.call_soon_threadsafe(self._release.clear)

    def stop(self) -> None:
        """Close the server and its loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = web.AppRunner(self._application(), access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.port = runner.addresses[0][1]
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=512 * MIB)
        special = {
            "/upload": self._upload, "/upload-small": self._upload, "/download": self._download,
            "/cookies": self._cookies, "/moved": self._moved, "/hop": self._hop, "/held": self._hold,
            "/too-slow": self._hold, "/breaks": self._break, "/breaks-midway": self._break_midway,
            "/nothing": self._nothing, "/early": self._early, "/unchanged": self._unchanged,
        }  # fmt: skip
        for path, handler in special.items():
            application.router.add_route("*", path, handler)
        application.router.add_route("*", "/{rest:.*}", self._echo)
        return application

    def _note(self, request: web.Request) -> None:
        headers = [(name.decode().lower(), value.decode("latin-1")) for name, value in request.raw_headers]
        self.requests.append({"method": request.method, "path": request.raw_path, "headers": headers})

    async def _echo(self, request: web.Request) -> web.Response:
        self._note(request)
        self.requests[-1]["body"] = (await request.read()).decode("latin-1")
        return web.json_response(self.requests[-1])

    async def _upload(self, request: web.Request) -> web.Response:
        self._note(request)
        received = 0
        try:
            async for piece in request.content.iter_any():
                received += len(piece)
                if received >= MIB:
                    self.first_megabyte.set()
        except (asyncio.CancelledError, ConnectionError, web.RequestPayloadError):
            self.client_gone.set()
            raise
        return web.json_response({"received": received})

    async def _download(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(int(request.query["mib"])):
            await response.write(b"x" * MIB)
        await response.write_eof()
        return response

    async def _cookies(self, request: web.Request) -> web.Response:
        response = web.Response(text="two")
        response.headers.add("Set-Cookie", "a=1")
        response.headers.add("Set-Cookie", "b=2; Path=/")
        return response

    async def _moved(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": f"{self.url}/items/7"})

    async def _hop(self, request: web.Request) -> web.Response:
        headers = {
            "Connection": "X-Inside", "X-Inside": "secret", "Server": "inside/1", "X-Powered-By": "inside",
            "Proxy-Authenticate": "Basic", "X-Deadline-Ms": "5", "X-Correlation-Id": "theirs", "X-Kept": "yes",
        }  # fmt: skip
        return web.Response(text="hop", headers=headers)

    async def _hold(self, request: web.Request) -> web.Response:
        self._note(request)
        self.held.set()
        try:
            await self._release.wait()
        except asyncio.CancelledError:
            self.client_gone.set()
            raise
        return web.Response(text="released")

    async def _break(self, request: web.Request) -> web.Response:
        self._note(request)
        request.transport.abort()
        return web.Response()

    async def _break_midway(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"half")
        request.transport.close()
        return response

    async def _nothing(self, request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _unchanged(self, request: web.Request) -> web.Response:
        # As file servers say it; aiohttp itself would leave the length out.
        request.transport.write(b"HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nContent-Length: 5\r\n\r\n")
        request.transport.close()
        return web.Response()

    async def _early(self, request: web.Request) -> web.Response:
        return web.json_response({"refused": True}, status=409)


@dataclass
class Answer:
    """One answer read off a socket."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    is_closed: bool

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def json(self) -> dict:
        return json.loads(self.body)


@dataclass
class Door:
    """A gateway's address, and ways to knock."""

    port: int
    opened: list[socket.socket] = field(default_factory=list)

    def connect(self) -> socket.socket:
        """Return a connected socket; closed with the test."""
        opened = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)
        self.opened.append(opened)
        return opened

    def close(self) -> None:
        for one in self.opened:
            one.close()
        self.opened.clear()

    def raw(self, request: bytes) -> Answer:
        """Send bytes as they are; return the answer."""
        connection = self.connect()
        connection.sendall(request)
        return read_answer(connection, is_head=request.startswith(b"HEAD"))

    def ask(
        self, method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes | None = None
    ) -> Answer:
        """Send an ordinary request on a new connection; return the answer."""
        return self.raw(request_bytes(method, target, headers, body))


def request_bytes(
    method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes | None = None
) -> bytes:
    """Return an HTTP/1.1 request."""
    lines = [f"{method} {target} HTTP/1.1", "Host: shop.example", *(f"{name}: {value}" for name, value in headers)]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + (body or b"")


def read_answer(connection: socket.socket, *, is_head: bool = False) -> Answer:
    """Read one answer, and whether the server closes after it where it says so."""
    # Unbuffered past this answer would be lost: each test reads one answer a connection, or pipelines on purpose.
    stream = connection.makefile("rb")
    status = int(stream.readline().split()[1])
    while status == 100:
        stream.readline()
        status = int(stream.readline().split()[1])
    headers = []
    while (line := stream.readline().strip()):
        name, _, value = line.decode("latin-1").partition(":")
        headers.append((name.lower(), value.strip()))
    named = dict(headers)
    if is_head or status in (204, 304):
        body = b""
    elif "content-length" in named:
        body = stream.read(int(named["content-length"]))
    elif named.get("transfer-encoding") == "chunked":
        body = _chunked(stream)
    else:
        body = stream.read()
    is_closed = named.get("connection") == "close" and stream.read(1) == b""
    return Answer(status, headers, body, is_closed)


def _chunked(stream) -> bytes:
    parts = []
    while size := int(stream.readline() or b"0", 16):
        parts.append(stream.read(size))
        stream.readline()
    stream.readline()
    return b"".join(parts)


@dataclass
class Stage:
    """A gateway process of the tests, its door and its folder."""

    process: subprocess.Popen
    door: Door
    folder: Path

    def stop(self) -> int:
        """End the process as an operator would, unless it has ended; return its exit code."""
        self.door.close()
        self.process.terminate()
        try:
            return self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self.process.stdout.close()

    def log_lines(self) -> list[dict]:
        """Return every line of the log; each must be one JSON object."""
        return [json.loads(line) for line in (self.folder / "log.jsonl").read_text().splitlines()]

    @property
    def peak_memory_kib(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def start_stage(upstream_url: str, folder: Path) -> Stage:
    """Start a gateway process; return it once it listens."""
    with (folder / "log.jsonl").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, str(STAGE), upstream_url, str(folder)], stdout=subprocess.PIPE, stderr=log, text=True
        )
    return Stage(process, Door(int(process.stdout.readline())), folder)
