"""A small API whose parts keep to its document but for one lie each. Standard library only; knows no Fissile."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HONEST = "honest"
LIES = (
    "server-error",
    "undocumented-status",
    "wrong-shape",
    "wrong-type",
    "error-page",
    "unnamed-code",
    "extra-member",
    "no-correlation-id",
    "no-token-needed",
    "any-method",
    "needless-refusal",
    "any-id",
    "anybodys",
)
_ADDRESS = re.compile(r"/([a-z-]+)/things(?:/([^/?]+))?(?:\?.*)?")
_NUMBER = re.compile(r"[1-9][0-9]{0,2}")
_HEADERS = {"x-correlation-id": {"required": True, "schema": {"type": "string"}}}
_THING = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "owner": {"type": "string"}, "name": {"type": "string"}},
    "required": ["id", "owner", "name"],
}


def _answer(kind: str, schema: dict[str, Any], *codes: str, **more: Any) -> dict[str, Any]:
    content = {kind: {"schema": schema}}
    return {"description": "So.", "headers": _HEADERS, "content": content, "x-problem-codes": list(codes), **more}


def _operation(name: str, success: str, **more: Any) -> dict[str, Any]:
    link = {"operationId": name.replace("make", "read"), "parameters": {"id": "$response.body#/id"}}
    links = {"links": {"read": link}} if success == "201" else {}
    errors = {"401": "not_authenticated", "404": "not_found", "405": "method_not_allowed"}
    responses = {
        status: _answer("application/problem+json", {"type": "object"}, code) for status, code in errors.items()
    }
    shown = _answer("application/json", _THING, **links)
    return {"operationId": name, "security": [{"bearer": []}], "responses": {success: shown, **responses}, **more}


def _document() -> dict[str, Any]:
    number = {"type": "integer", "minimum": 1, "maximum": 999}
    given = {"parameters": [{"name": "id", "in": "path", "required": True, "schema": number}]}
    paths = {}
    for part in (HONEST, *LIES):
        paths[f"/{part}/things"] = {"post": _operation(f"{part}_make", "201")}
        paths[f"/{part}/things/{{id}}"] = {"get": _operation(f"{part}_read", "200", **given)}
    scheme = {"bearer": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.1",
        "info": {"title": "Liar", "version": "1.0.0"},
        "paths": paths,
        "components": {"securitySchemes": scheme},
    }


DOCUMENT = _document()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any
    lie = HONEST

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path == "/document":
            return self._send(200, DOCUMENT, "application/json")
        found = _ADDRESS.fullmatch(self.path)
        if found is None:
            return self._refuse(404, "not_found")
        self.lie, number = found.groups()
        wanted = "POST" if number is None else "GET"
        if self.command != wanted and self.lie != "any-method":
            return self._refuse(405, "method_not_allowed", allow=wanted)
        owner = {"Bearer r": "rosa", "Bearer b": "ben"}.get(self.headers.get("authorization", ""))
        if owner is None and self.lie != "no-token-needed":
            return self._refuse(401, "not_authenticated")
        return self._make(owner or "nobody") if number is None else self._show(number, owner or "nobody")

    def _make(self, owner: str) -> None:
        # Far above what is asked for by chance.
        thing = {"id": 999 - len(self.server.things) % 500, "owner": owner, "name": "made"}
        self.server.things[thing["id"]] = thing
        self._show_thing(201, thing)

    def _show(self, number: str, asker: str) -> None:
        if not _NUMBER.fullmatch(number) and self.lie != "any-id":
            return self._refuse(404, "no_such_thing" if self.lie == "unnamed-code" else "not_found")
        # What nobody made is whose who asks: a valid id is refused only if another made it.
        found = {"id": 1, "owner": asker, "name": "found"}
        thing = self.server.things.get(int(number), found) if _NUMBER.fullmatch(number) else found
        if self.lie == "needless-refusal" or (thing["owner"] != asker and self.lie != "anybodys"):
            return self._refuse(404, "not_found")
        return self._show_thing(200, thing)

    def _show_thing(self, status: int, thing: dict[str, Any]) -> None:
        match self.lie:
            case "server-error":
                self._refuse(500, "internal")
            case "undocumented-status":
                self._refuse(418, "teapot")
            case "wrong-shape":
                self._send(status, thing | {"id": "seven"}, "application/json")
            case "extra-member":
                self._send(status, thing | {"password_hash": "x"}, "application/json")
            case "wrong-type":
                self._send(status, thing, "text/plain")
            case _:
                self._send(status, thing, "application/json")

    def _refuse(self, status: int, code: str, **headers: str) -> None:
        kind = "text/html" if self.lie == "error-page" else "application/problem+json"
        self._send(status, {"status": status, "code": code}, kind, **headers)

    def _send(self, status: int, body: dict[str, Any], kind: str, **headers: str) -> None:
        sent = json.dumps(body).encode()
        headers |= {"content-type": kind, "content-length": str(len(sent))}
        if self.lie != "no-correlation-id":
            headers["x-correlation-id"] = "c"
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(sent)


@contextmanager
def liar() -> Iterator[str]:
    """Serve the API; yield the address of its document."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.things = {}
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/document"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
