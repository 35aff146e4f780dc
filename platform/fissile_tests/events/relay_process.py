"""A relay as a process of its own, which is stopped between publishing its first batch and marking it.

`doomed` dies by kill -9. `sleeper` stops (SIGSTOP) until somebody wakes it, and prints what its
late marks came to. `python -m fissile_tests.events.relay_process DATABASE BROKER_URL NAME`.
"""

from __future__ import annotations

import json
import os
import signal
import sys

import django
from django.conf import settings


def main(database: str, broker_url: str, name: str) -> None:
    """Relay shoplet's outbox from the test's own database."""
    settings.DATABASES["shoplet"]["NAME"] = database
    django.setup()
    from fissile.events.relay import RelayLoop
    from fissile.events.relay.store import OutboxStore
    from fissile.events.stopping import Stopping

    settle, slept = OutboxStore.settle, []

    def sleep_once(store, verdicts):
        if slept:
            return settle(store, verdicts)
        slept.append(os.kill(os.getpid(), signal.SIGSTOP))
        lost, claimed = settle(store, verdicts)
        told = {"sent": len(verdicts.sent), "lanes": sorted(verdicts.fences), "lost": sorted(lost)}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        return lost, claimed

    OutboxStore.settle = sleep_once if name == "sleeper" else lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    stopping = Stopping()
    signal.signal(signal.SIGTERM, lambda *_: stopping.ask())
    RelayLoop("shoplet", broker_url, name=name).run(stopping)


if __name__ == "__main__":
    main(*sys.argv[1:])
