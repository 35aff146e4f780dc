"""A supervisor over a table of three tiny servers instead of the shop: `python -m tests.local.stage STATE PORT`.

With the words `serve NAME PORT` it is one of those servers: a worker (port 0) only says that it is ready.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from deploy.local.ends_with_parent import end_with_parent
from deploy.local.house import House, Process
from deploy.local.supervise import Supervisor


class Stage(House):
    """A house without groups, so with nothing to prepare, and with a table of its own."""

    def processes(self) -> tuple[Process, ...]:
        """Return a web, a worker and a gateway that are all this module."""
        rows = (("web", "web", 1), ("worker", "worker", None), ("gateway", "gateway", 0))
        return tuple(self._row(name, kind, offset) for name, kind, offset in rows)

    def _row(self, name, kind, offset):
        port = None if offset is None else self.base_port + offset
        argv = (sys.executable, "-m", "tests.local.stage", "serve", name, str(port or 0))
        return Process(name=name, kind=kind, role="all", argv=argv, environment={}, port=port)


class Ready(BaseHTTPRequestHandler):
    """Answers 200 to everything."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words):
        """Say nothing."""


def serve(name: str, port: int) -> None:
    """Serve until SIGTERM, with a child process as a web server's worker is one."""
    master = os.getpid()
    if os.fork() == 0:
        end_with_parent(master)
        while True:
            signal.pause()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(json.dumps({"event": f"{name} is ready", "level": "info", "password": "\x1b[2Jbad"}), flush=True)
    if port:
        HTTPServer.allow_reuse_address = True
        HTTPServer(("127.0.0.1", port), Ready).serve_forever(poll_interval=0.05)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], int(sys.argv[3]))
    stage = Stage(groups=(), state_dir=Path(sys.argv[1]), base_port=int(sys.argv[2]))
    sys.exit(Supervisor(stage, quiet="--quiet" in sys.argv).run())
