"""`make bench`: the speed table on a PostgreSQL and a RabbitMQ of its own, with fsync on. Extra words go to it.

May touch: .run/bench (those servers, and the results), tests.bench.
"""

from __future__ import annotations

import os
import signal
import sys

from . import own_servers
from .house import ROOT
from .services.instance import STARTED

SERVICES_DIR = ROOT / ".run" / "bench" / "services"
SERVICES_BASE = 25700


def services(word: str) -> int:
    """Run a command of the services on the bench's own instance; return its exit code."""
    base = os.environ.get("BENCH_BASE", str(SERVICES_BASE))
    return own_servers.services(word, SERVICES_DIR, base, "--durable", "--tell-started")


def main(words: list[str]) -> int:
    """Start the servers, measure, stop the servers; return the exit code, 2 if the servers cannot be had."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the stores are stopped then, too
    up = services("up")
    if up not in (0, STARTED):
        return 2
    try:
        return own_servers.run_with(SERVICES_DIR, ["-m", "tests.bench", *words])
    except KeyboardInterrupt:
        return 130
    finally:
        if up == STARTED:
            services("down")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
