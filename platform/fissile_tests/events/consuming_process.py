"""A consuming process that a test may kill: `python -m fissile_tests.events.consuming_process JSON [the child's…]`.

JSON names the test database of shoplet, the broker, the queue, the seconds of an isolated first attempt, and where it
is noted what is being handled, or null; SIGTERM stops it. What follows is for the child in which it isolates a
message: the same program, on the same database.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import django

from fissile.events import isolated


def main() -> None:
    """Consume until SIGTERM."""
    given, *child = json.loads(sys.argv[1]), *sys.argv[2:]
    if child:
        consumer, aggregate, *times = child
        seconds, start_seconds = map(float, times)
        isolated.prepare(start_seconds)
    django.setup()
    from django.db import connections

    from fissile.events.inbox import ConsumeLoop, Isolation

    connections["shoplet"].settings_dict["NAME"] = given["database"]
    if child:
        raise SystemExit(isolated.run(consumer, aggregate, seconds, start_seconds))
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    isolation = Isolation(seconds=given["seconds"], program=(sys.executable, "-m", __spec__.name, sys.argv[1]))
    state_dir = Path(given["state_dir"]) if given["state_dir"] else None
    loop = ConsumeLoop("shoplet", "shoplet.depot", given["queue"], given["broker_url"], isolation, state_dir)
    loop.run(lambda: bool(stopped))
    isolation.close(1.0)


if __name__ == "__main__":
    main()
