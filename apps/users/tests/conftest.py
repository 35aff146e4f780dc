"""Keys for tokens, made once: the tests' own folder, never the house's."""

from __future__ import annotations

import pytest
from django.conf import settings

from fissile import trust
from fissile.trust import keys


@pytest.fixture(scope="session", autouse=True)
def keys_of_users() -> None:
    keys.ensure(settings.FISSILE["keys_dir"], ["users-access", keys.service_key("users")])


@pytest.fixture(autouse=True)
def trusting_them(keys_of_users: None) -> None:
    trust.configure(keys_dir=settings.FISSILE["keys_dir"])
