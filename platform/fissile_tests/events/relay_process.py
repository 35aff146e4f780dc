"""A relay as a process of its own, which dies by kill -9 after it has published and before it has marked.

Run by test_relay.py: `python -m fissile_tests.events.relay_process DATABASE BROKER_URL`.
"""

from __future__ import annotations

import os
import signal
import sys

import django
from django.conf import settings


def main(database: str, broker_url: str) -> None:
    """Relay shoplet's outbox from the test's own database until the first batch is out."""
    settings.DATABASES["shoplet"]["NAME"] = database
    django.setup()
    from fissile.events.relay import RelayLoop
    from fissile.events.relay.store import OutboxStore
    from fissile.events.stopping import Stopping

    OutboxStore.settle = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    RelayLoop("shoplet", broker_url, name="doomed").run(Stopping())


if __name__ == "__main__":
    main(*sys.argv[1:])
