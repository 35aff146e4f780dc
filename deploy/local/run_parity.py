"""`make parity`: the parity suite with private stores that are stopped again. Extra words go to the suite.

May touch: .run/test (the tests' own PostgreSQL and RabbitMQ), tests.topologies.parity.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from .house import ROOT
from .run_tests import SERVICES_DIR, services
from .services.instance import STARTED


def main() -> int:
    """Run the suite; return its exit code: 0, 3 if something differs, 2 if the real tier cannot be had."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the stores are stopped then, too
    needs_stores = "embedded" not in sys.argv and "--shortcuts" not in sys.argv
    up = services("up") if needs_stores else None
    if up is not None:
        print(up.stdout, end="", flush=True)
    try:
        command = [sys.executable, "-m", "tests.topologies.parity", *sys.argv[1:]]
        return subprocess.run(command, cwd=ROOT, env=os.environ | {"SERVICES_DIR": str(SERVICES_DIR)}).returncode
    except KeyboardInterrupt:
        return 130
    finally:
        if up is not None and up.returncode == STARTED:
            services("down")


if __name__ == "__main__":
    sys.exit(main())
