"""Keys for tokens, made once: the tests' own folder, never the house's. The waker gives its connection back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings

from fissile import trust
from fissile.events import wakeup
from fissile.trust import keys


@pytest.fixture(scope="session", autouse=True)
def keys_of_the_house() -> None:
    names = ["users-access", *(keys.service_key(name) for name in ("users", "orders", "bff"))]
    keys.ensure(settings.FISSILE["keys_dir"], names)


@pytest.fixture(autouse=True)
def trusting_them(keys_of_the_house: None) -> None:
    trust.configure(keys_dir=settings.FISSILE["keys_dir"])


@pytest.fixture(autouse=True)
def nobody_stays_connected() -> Iterator[None]:
    yield
    wakeup.close()
