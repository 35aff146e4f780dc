"""A gateway process for the tests: `python gateway_stage.py UPSTREAM_URL FOLDER`; serves until SIGTERM.

It prints its port; traces go to FOLDER/traces.sqlite3, the log to stderr. Tokens are
words: `good` is a user, everything else is refused.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import uvicorn

from fissile.carry import Principal
from fissile.edge.gateway import Gateway, Limits, Route, RouteTable
from fissile.edge.gateway.protocol import StrictHttpProtocol
from fissile.trust import NotAuthenticated
from fissile.watch import logs, tracing

MIB = 1024 * 1024
# Nobody listens on the discard port of the loopback device.
NOBODY = "http://127.0.0.1:9"


def verify(token: str) -> Principal:
    """Accept one word."""
    if token != "good":
        raise NotAuthenticated
    return Principal(kind="user", subject="u1")


def route(method: str, template: str, **options: object) -> Route:
    """Return a public route to the echo upstream, unless told otherwise."""
    return Route(**{"methods": (method,), "template": template, "upstream": "echo", "public": True, **options})


TABLE = RouteTable([
    route("GET", "/echo"),
    route("POST", "/echo", body_bytes=1024),
    route("GET", "/items/{item_id}"),
    route("GET", "/private", public=False),
    route("POST", "/private", public=False, body_bytes=1024),
    route("POST", "/upload", body_bytes=256 * MIB, streams=True, seconds=60.0),
    route("POST", "/upload-small", body_bytes=MIB, streams=True),
    route("GET", "/download", seconds=60.0),
    route("GET", "/cookies"),
    route("GET", "/moved"),
    route("GET", "/hop"),
    route("GET", "/held", seconds=30.0),
    route("GET", "/too-slow", seconds=0.3),
    route("POST", "/impatient", body_bytes=1024, seconds=0.3),
    route("GET", "/breaks"),
    route("GET", "/breaks-midway"),
    route("GET", "/nothing"),
    route("GET", "/unchanged"),
    route("POST", "/early", body_bytes=64 * MIB, streams=True),
    route("GET", "/down", upstream="down"),
    route("POST", "/down", upstream="down", body_bytes=1024),
    route("GET", "/nowhere", upstream="nowhere"),
    route("GET", "/healthz", upstream=None),
    route("GET", "/readyz", upstream=None),
])  # fmt: skip


def main(upstream_url: str, folder: Path) -> None:
    """Serve on a free port."""
    logs.setup("stage", stream="stderr")
    tracing.setup("stage", folder / "traces.sqlite3")
    limits = Limits(head_seconds=0.5, linger_seconds=1.0)
    StrictHttpProtocol.limits = limits
    addresses = {"echo": upstream_url, "down": NOBODY}
    application = Gateway(TABLE, addresses, verify=verify, limits=limits, on_close=tracing.shutdown)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application,
        http=StrictHttpProtocol,
        ws="none",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        log_level="error",
        timeout_graceful_shutdown=20,
    )
    print(listener.getsockname()[1], flush=True)  # noqa: T201 - the way the tests learn the port
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
