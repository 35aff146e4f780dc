"""A consuming process that a test may kill: `python -m fissile_tests.events.consuming_process JSON`.

JSON names the test database of shoplet, the broker and the queue; SIGTERM stops it.
"""

from __future__ import annotations

import json
import signal
import sys

import django


def main() -> None:
    """Consume until SIGTERM."""
    given = json.loads(sys.argv[1])
    django.setup()
    from django.db import connections

    from fissile.events.inbox import ConsumeLoop

    connections["shoplet"].settings_dict["NAME"] = given["database"]
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    ConsumeLoop("shoplet", "shoplet.depot", given["queue"], given["broker_url"]).run(lambda: bool(stopped))


if __name__ == "__main__":
    main()
