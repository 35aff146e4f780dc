"""The far transport against neighbours that are down, silent, slow, too talkative or something else altogether."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing

import pytest

from fissile.calls import CallPolicy, far, neighbour
from fissile.errors import BrokenContractError, UncertainError, UnreachableError

BRIEF = CallPolicy(deadline_seconds=0.2)


class Wire:
    """A TCP server that plays one script per connection, given as a function of the socket."""

    def __init__(self, script):
        self.script, self.connections, self.requests = script, 0, []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while True:
            accepted, _ = self._socket.accept()
            if self.stop.is_set():
                accepted.close()
                return
            self.connections += 1
            with closing(accepted):
                accepted.settimeout(2)
                try:
                    self.script(self, accepted)
                except OSError:
                    continue

    def read_request(self, connection):
        """Return one request's head and body."""
        received = b""
        while b"\r\n\r\n" not in received:
            if not (chunk := connection.recv(65_536)):
                return b""
            received += chunk
        head, _, body = received.partition(b"\r\n\r\n")
        (length,) = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        while len(body) < length:
            body += connection.recv(65_536)
        self.requests.append(head + b"\r\n\r\n" + body)
        return self.requests[-1]

    def close(self):
        self.stop.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join()
        self._socket.close()


@pytest.fixture
def wire(callers_registry, callees_registry):
    """Start a script at callee's address."""
    started = []

    def start(script):
        server = Wire(script)
        started.append(server)
        callers_registry.configure(
            packages={"callee": "x"}, installed=(), addresses={"callee": f"http://127.0.0.1:{server.port}"}
        )
        return server

    yield start
    far._pool.clear()
    for server in started:
        server.close()


def ask(policy=BRIEF, returns=int):
    return neighbour("callee", caller="orders").ask("size_of", {"text": "abc"}, returns=returns, policy=policy)


def answering(head: bytes, body: bytes = b""):
    def script(server, connection):
        while server.read_request(connection):
            connection.sendall(head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    return script


JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json"


def test_a_neighbour_that_is_down_was_not_asked(callers_registry, callees_registry):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    callers_registry.configure(
        packages={"callee": "x"}, installed=(), addresses={"callee": f"http://127.0.0.1:{port}"}
    )

    with pytest.raises(UnreachableError, match="callee"):
        ask()
    with pytest.raises(UnreachableError):
        ask(CallPolicy(deadline_seconds=1.0, attempts=3, backoff_seconds=0.001))


def test_a_name_that_does_not_resolve_was_not_asked(callers_registry, callees_registry):
    callers_registry.configure(
        packages={"callee": "x"}, installed=(), addresses={"callee": "http://callee.invalid:1"}
    )

    with pytest.raises(UnreachableError):
        ask(CallPolicy(deadline_seconds=5.0))


@pytest.mark.parametrize("address", ["http://", "http://[::1", "http://127.0.0.1:99999999", "ftp://127.0.0.1"])
def test_an_unusable_address_is_a_broken_contract(callers_registry, callees_registry, address):
    callers_registry.configure(packages={"callee": "x"}, installed=(), addresses={"callee": address})

    with pytest.raises(BrokenContractError):
        ask()


def test_a_neighbour_without_an_address_is_a_broken_contract(callers_registry, callees_registry):
    with pytest.raises(BrokenContractError, match="TOPOLOGY"):
        ask()


def test_a_silent_neighbour_leaves_us_uncertain_in_time(wire):
    wire(lambda server, connection: (server.read_request(connection), connection.recv(1)))
    started = time.monotonic()

    with pytest.raises(UncertainError):
        ask()

    assert time.monotonic() - started < 1.0


def test_a_silent_neighbour_has_not_read_anything_for_us(wire):
    wire(lambda server, connection: (server.read_request(connection), connection.recv(1)))

    with pytest.raises(UnreachableError):
        ask(CallPolicy(deadline_seconds=0.2, is_safe=True))


def test_a_dripping_neighbour_does_not_outlast_the_deadline(wire):
    def drip(server, connection):
        server.read_request(connection)
        connection.sendall(JSON + b"\r\nContent-Length: 1000\r\n\r\n")
        while not server.stop.wait(0.02):
            connection.sendall(b" ")

    wire(drip)
    started = time.monotonic()

    with pytest.raises(UncertainError):
        ask()

    assert time.monotonic() - started < 1.0


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", JSON + b"\r\nContent-Length: 50\r\n\r\n{"])
def test_a_neighbour_that_hangs_up_leaves_us_uncertain(wire, said):
    wire(lambda server, connection: (server.read_request(connection), connection.sendall(said)))

    with pytest.raises(UncertainError):
        ask()


def test_an_endless_answer_is_cut_off(wire):
    wire(answering(JSON, b'{"result": "' + b"x" * 2_000_000 + b'"}'))

    with pytest.raises(BrokenContractError, match="bytes"):
        ask(CallPolicy(deadline_seconds=5.0))


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html", b"<h1>It works!</h1>"),
        (b"HTTP/1.1 200 OK", b'{"result": 3}'),
        (b"HTTP/1.1 204 No Content\r\nContent-Type: application/json", b""),
        (b"HTTP/1.1 201 Created\r\nContent-Type: application/json", b'{"result": 3}'),
        (b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html", b"<h1>nginx</h1>"),
        (b"HTTP/1.1 500 Oops\r\nContent-Type: application/problem+json", b'{"code": "internal", "detail": ""}'),
        (b"HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json", b'{"code": "not_found"}'),
        (b"HTTP/1.1 401 No\r\nContent-Type: application/problem+json", b'{"code": "not_authenticated"}'),
        (b"HTTP/1.1 422 No\r\nContent-Type: application/problem+json", b"{}"),
        (b"HTTP/1.1 422 No\r\nContent-Type: application/problem+json", b"no json"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/", b""),
        (JSON, b""), (JSON, b"3"), (JSON, b'{"result": 3, "more": 1}'), (JSON, b'{"result": 3, "result": 3}'),
        (JSON, b'{"result": NaN}'), (JSON, b"[" * 100_000), (JSON, b'{"result": "3"}'), (JSON, b"\xff\xfe"),
        (JSON, b'{"result": ' + b"9" * 5_000 + b"}"), (JSON + b"\r\nContent-Encoding: gzip", b"\x1f\x8b"),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_breaks_the_contract(wire, head, body):
    wire(answering(head, body))

    with pytest.raises(BrokenContractError):
        ask(CallPolicy(deadline_seconds=2.0))


@pytest.mark.parametrize(("status", "family"), [(b"503", UnreachableError), (b"504", UncertainError)])
def test_a_proxy_in_between_speaks_for_the_neighbour(wire, status, family):
    wire(answering(b"HTTP/1.1 " + status + b" No\r\nContent-Type: text/html", b"<h1>"))

    with pytest.raises(family):
        ask()


def test_calls_share_one_connection_and_keep_no_cookie(wire):
    server = wire(answering(JSON + b"\r\nSet-Cookie: session=stolen", b'{"result": 3}'))

    for _ in range(5):
        assert ask() == 3

    assert server.connections == 1
    assert len(server.requests) == 5
    assert not any(b"cookie" in request.lower() for request in server.requests)


def test_a_proxy_from_the_environment_is_not_used(wire, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    wire(answering(JSON, b'{"result": 3}'))

    assert ask() == 3


def test_identity_travels_in_the_token_only(wire):
    server = wire(answering(JSON, b'{"result": 3}'))

    ask()

    head = server.requests[0].partition(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"post /internal/callee/size_of http/1.1")
    assert b"authorization: bearer " in head
    assert not any(line.startswith(b"x-user") for line in head.split(b"\r\n"))
    assert b"x-deadline-ms: " in head
    assert server.requests[0].endswith(b'{"text":"abc"}')


def test_a_connection_the_neighbour_closed_in_between_is_replaced(wire):
    def once(server, connection):
        server.read_request(connection)
        connection.sendall(JSON + b"\r\nContent-Length: 13\r\n\r\n" + b'{"result": 3}')

    server = wire(once)

    assert ask() == 3
    _wait_until_closed(server)
    assert ask() == 3
    assert server.connections == 2


def _wait_until_closed(server):
    """The pool's idle connection has the neighbour's FIN: it reads as ready."""
    pool = far._pool.connection_from_url(f"http://127.0.0.1:{server.port}")
    idle = pool.pool.get_nowait()
    assert idle is not None
    idle.sock.settimeout(2)
    assert idle.sock.recv(1, socket.MSG_PEEK) == b""
    pool.pool.put(idle)
