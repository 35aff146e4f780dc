"""A headless Chromium at the console of a live server, on the tests' own databases.

Whatever a page asks of another origin, and whatever it says on its console, fails the test.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from playwright.sync_api import Browser, sync_playwright

from deploy.local import browser as machine
from fissile.events.lanes import ensure_lanes

from .seat import Seat, seated

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The browser, for all tests of this folder."""
    found = machine.find()
    if found is None:
        pytest.skip(machine.MISSING)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as driver:
        # The driver's loop runs in this thread, and Django would take the tests' own queries for a coroutine's.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = driver.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def stranger(chromium: Browser, live_server) -> Iterator[Seat]:
    """Somebody at the console who is not logged in."""
    with seated(chromium, live_server.url) as seat:
        yield seat


@pytest.fixture
def operator(stranger: Seat, client) -> Seat:
    """The same, logged in as `rosa`, who may do everything; shoplet's lanes are there."""
    ensure_lanes("shoplet")
    user = User.objects.create_superuser("rosa")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    stranger.remember(settings.SESSION_COOKIE_NAME, client.cookies[settings.SESSION_COOKIE_NAME].value)
    return stranger
