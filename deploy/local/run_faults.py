"""`make faults`: the fault rows with a PostgreSQL and a RabbitMQ of their own, which the faults may break.

May touch: .run/faults (those servers, and the results), tests.faults. Extra words go to it, the first is quick or full.
"""

from __future__ import annotations

import os
import signal
import sys

from . import own_servers
from .house import ROOT

# The name of the parent folder is the permission to kill what runs here.
SERVICES_DIR = ROOT / ".run" / "faults" / "services"
SERVICES_BASE = 25600


def services(word: str) -> int:
    """Run a command of the services on the faults' own instance; return its exit code."""
    base = os.environ.get("FAULTS_BASE", str(SERVICES_BASE))
    return own_servers.services(word, SERVICES_DIR, base, "--for-tests", "--no-durable")


def main(words: list[str]) -> int:
    """Start the servers, run the rows, stop the servers; without servers only the embedded tier is run, and said so."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the stores are stopped then, too
    has_stores = services("up") == 0
    try:
        only = [] if has_stores else ["--tiers", "embedded"]
        code = own_servers.run_with(SERVICES_DIR, ["-m", "tests.faults", *(words or ["quick"]), *only])
        if not has_stores:
            print("!! THE REAL TIER WAS NOT TESTED: no PostgreSQL and RabbitMQ on this machine (the reason is above).")
        return code
    except KeyboardInterrupt:
        return 130
    finally:
        if has_stores:
            services("down")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
