"""Shoplet hears itself: publisher and consumer in one context, with handlers of the test's own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fissile.contexts import registry
from fissile.events import consumers
from fissile_tests.shoplet.context import CONTEXT


@pytest.fixture
def hearing(monkeypatch):
    """Let shoplet consume its own stream, with these handlers by event."""

    def hear(handlers):
        table = {event.name: (event, function) for event, function in handlers.items()}
        monkeypatch.setitem(consumers._handlers, "shoplet.shoplet", table)
        both = replace(CONTEXT, consumes=(*CONTEXT.consumes, *CONTEXT.publishes))
        monkeypatch.setitem(registry._installed, "shoplet", both)

    return hear
