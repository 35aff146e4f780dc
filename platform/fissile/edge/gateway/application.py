"""The gateway as a bare ASGI application: route, inspect, authenticate, pass on, stream back. No Django."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import aiohttp

from fissile import carry
from fissile.messages import Problem

from . import problems
from .authentication import Verify, authenticated
from .body import ClientGone, Receive, RequestBody
from .headers import Head, for_upstream, inspected
from .limits import Limits
from .problems import TurnedAway
from .proxy import Upstreams, expected_bytes
from .routes import Route, RouteTable
from .visit import Send, Visit, log

Scope = MutableMapping[str, Any]
# Returns None when ready, else the reason in a few words.
Check = Callable[[], str | None]


class Gateway:
    """The public door. `table` says what exists; everything else is a 404.

    `addresses`: upstream name to base URL. `verify`: access token to Principal.
    `checks`: further readiness checks by name. `on_close` runs after the last
    request. `draining` turns True on SIGTERM, before the listener closes.
    """

    def __init__(
        self,
        table: RouteTable,
        addresses: Mapping[str, str],
        *,
        verify: Verify,
        checks: Mapping[str, Check] | None = None,
        limits: Limits | None = None,
        name: str = "gateway",
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self.table = table
        self.limits = limits or Limits()
        self.upstreams = Upstreams(addresses, self.limits)
        self.draining = False
        self._verify = verify
        self._name, self._on_close = name, on_close
        self._checks = {**(checks or {}), "routes": self._unaddressed, "drain": self._leaving}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1003})
        else:
            await self._serve(scope, receive, send)

    # -- one request --

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A copy: a server may append trailers to the list it gave.
        headers = tuple(scope["headers"])
        peer = (scope.get("extensions") or {}).get("fissile.peer") or (scope.get("client") or ("unknown",))[0]
        method = scope["method"]
        with Visit(method=method, headers=headers, peer=peer) as visit:
            body = RequestBody(receive, has_body=True)
            try:
                head = inspected(method, scope["http_version"], _target(scope), headers, self.limits)
                body = RequestBody(receive, has_body=head.has_body)
                await self._admit(visit, head, scope["scheme"], body, send)
            except TurnedAway as no:
                await self._answer(visit, no.problem, body, send)
            except ClientGone:
                visit.outcome = "client_gone"
            except Exception:  # noqa: BLE001 - logged, and answered as a problem
                # The last door: whatever broke in here, the client gets a problem and the log the reason.
                log.exception("the gateway failed")
                visit.outcome = "cut_off"
                if not visit.status:
                    await self._answer(visit, problems.internal(), body, send)
            finally:
                visit.received_bytes = body.received_bytes

    async def _admit(self, visit: Visit, head: Head, scheme: str, body: RequestBody, send: Send) -> None:
        route = self.table.match(head.method, head.path)
        visit.route = route.name
        if route.upstream is None:
            await self._answer_myself(visit, head, body, send)
            return
        visit.upstream = route.upstream
        self.upstreams.origin(route.upstream)
        principal = carry.Principal() if route.public else authenticated(head, self._verify)
        _refuse_size(route, head)
        try:
            async with asyncio.timeout(route.seconds) as timer:
                with carry.using(principal=principal, deadline=time.monotonic() + route.seconds):
                    await self._watched(self._pass_on, visit, route, head, scheme, body, send)
        except TimeoutError:
            if not timer.expired():
                raise
            late = problems.upstream_too_slow(route.upstream) if body.is_complete else problems.body_too_slow()
            if visit.status:
                # The head of the answer is out: only a broken connection can say that it is not whole.
                visit.outcome = "cut_off"
                return
            raise TurnedAway(late) from None

    async def _watched(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Run the work, and cancel it when the client goes away."""
        body: RequestBody = arguments[4]
        working = asyncio.ensure_future(work(*arguments))
        watching = asyncio.ensure_future(body.client_gone())
        try:
            await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise ClientGone
            working.result()
        finally:
            working.cancel()
            watching.cancel()
            await asyncio.gather(working, watching, return_exceptions=True)

    async def _pass_on(
        self, visit: Visit, route: Route, head: Head, scheme: str, body: RequestBody, send: Send
    ) -> None:
        upstream = route.upstream or ""
        content: Any = None
        if head.has_body:
            content = body.chunks(route.body_bytes) if route.streams else await body.collected(route.body_bytes)
        headers = for_upstream(
            head, public=route.public, peer=visit.peer, scheme=scheme, carried=carry.to_headers()
        )
        if head.has_body and route.streams and head.length is not None:
            headers.append(("content-length", str(head.length)))
        try:
            response = await self.upstreams.ask(upstream, head, headers, content)
        except TurnedAway:
            # An upload that the client broke off, or that grew too long, looks like a broken upstream.
            if body.failure is not None:
                raise body.failure from None
            raise
        try:
            await self._stream_back(visit, upstream, head, response, body, send)
        finally:
            # Closes it unless the body was read to its end; then it has gone back to the pool.
            response.close()

    async def _stream_back(
        self,
        visit: Visit,
        upstream: str,
        head: Head,
        response: aiohttp.ClientResponse,
        body: RequestBody,
        send: Send,
    ) -> None:
        if response.status < 200:
            problems.upstream_broke_off(upstream)
        expected = expected_bytes(head.method, response)
        headers = self.upstreams.headers_for_client(upstream, response) + visit.identity()
        must_close = self.draining or not body.is_complete
        visit.status = response.status
        await send(_start(response.status, headers, must_close))
        # The last piece goes out as the last one: a client that has a whole answer may
        # send its next request at once, and the server must know that this one is over.
        if expected == 0:
            await send({"type": "http.response.body", "body": b""})
            return
        try:
            async for piece in response.content.iter_any():
                visit.sent_bytes += len(piece)
                is_last = visit.sent_bytes == expected and body.is_complete
                await send({"type": "http.response.body", "body": piece, "more_body": not is_last})
                if is_last:
                    return
        except (aiohttp.ClientError, ConnectionError):
            visit.outcome = "cut_off"
            return
        if expected is not None and visit.sent_bytes != expected:
            visit.outcome = "cut_off"
            return
        if not body.is_complete:
            response.close()
            await body.linger(self.limits)
        await send({"type": "http.response.body", "body": b""})

    async def _answer(self, visit: Visit, problem: Problem, body: RequestBody, send: Send) -> None:
        headers, content = visit.answers(problem)
        if body.is_complete:
            await send(_start(problem.status, headers, self.draining))
            await send({"type": "http.response.body", "body": content})
            return
        await send(_start(problem.status, headers, True))
        await send({"type": "http.response.body", "body": content, "more_body": True})
        await body.linger(self.limits)
        await send({"type": "http.response.body", "body": b""})

    # -- the gateway's own answers --

    async def _answer_myself(self, visit: Visit, head: Head, body: RequestBody, send: Send) -> None:
        visit.status, found = self._alive() if head.path == "/healthz" else self._readiness()
        content = json.dumps(found).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(content)),
            (b"cache-control", b"no-store"),
        ]
        await send(_start(visit.status, headers + visit.identity(), self.draining or not body.is_complete))
        await send({"type": "http.response.body", "body": content})

    def _alive(self) -> tuple[int, dict[str, Any]]:
        return 200, {"status": "alive", "process": self._name}

    def _readiness(self) -> tuple[int, dict[str, Any]]:
        reasons = {name: check() for name, check in self._checks.items()}
        dependencies = {
            name: {"status": "down", "reason": reason} if reason else {"status": "up"}
            for name, reason in reasons.items()
        }
        if not any(reasons.values()):
            return 200, {"status": "ready", "dependencies": dependencies}
        return 503, {"status": "draining" if self.draining else "not_ready", "dependencies": dependencies}

    def _unaddressed(self) -> str | None:
        missing = self.upstreams.missing(self.table.upstreams)
        return f"no address for {', '.join(missing)}; name it in TOPOLOGY" if missing else None

    def _leaving(self) -> str | None:
        return "draining: this process was told to stop" if self.draining else None

    # -- the process --

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._leave_on_sigterm()
        reasons = {name: reason for name, check in self._checks.items() if (reason := check())}
        if reasons:
            log.warning("the gateway is not ready", extra={"reasons": reasons})
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.draining = True
        await self.upstreams.close()
        if self._on_close is not None:
            self._on_close()
        await send({"type": "lifespan.shutdown.complete"})

    def _leave_on_sigterm(self) -> None:
        """Put readiness off before the server's own handler stops the listener."""
        if threading.current_thread() is not threading.main_thread():
            return
        stop_listening = signal.getsignal(signal.SIGTERM)
        if not callable(stop_listening):
            return
        loop = asyncio.get_running_loop()

        def leave(number: int, frame: Any) -> None:
            self.draining = True
            delay = self.limits.drain_seconds
            loop.call_soon_threadsafe(loop.call_later, delay, stop_listening, number, None)

        signal.signal(signal.SIGTERM, leave)


def _target(scope: Scope) -> bytes:
    """Return the request target as sent, where the server tells it (protocol.py), else rebuilt."""
    told = (scope.get("extensions") or {}).get("fissile.target")
    if told is not None:
        return bytes(told)
    query = scope["query_string"]
    return bytes(scope["raw_path"] + (b"?" + query if query else b""))


def _refuse_size(route: Route, head: Head) -> None:
    if not head.has_body:
        return
    if not route.body_bytes:
        problems.bad_request("This address takes no body.")
    if head.length is not None and head.length > route.body_bytes:
        problems.body_too_large(route.body_bytes)


def _start(status: int, headers: list[tuple[bytes, bytes]], must_close: bool) -> dict[str, Any]:
    closing = [(b"connection", b"close")] if must_close else []
    return {"type": "http.response.start", "status": status, "headers": headers + closing}
