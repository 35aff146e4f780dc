"""A pytest plugin for tests of contexts: `-p fissile.testing.fixtures`. Needs pytest-django."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `real` where the settings are not those of the real tier."""
    from django.conf import settings

    if settings.FISSILE["tier"] == "real":
        return
    for item in items:
        if item.get_closest_marker("real") and not item.get_closest_marker("house"):
            item.add_marker(pytest.mark.skip(reason="needs TIER=real and its addresses (make test sets them)"))


@pytest.fixture(autouse=True)
def a_context_at_home(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give a test with a database the house's keys; take its bus and the waker's connection back after it.

    The keys lie in the tests' own folder. While the waker listens, PostgreSQL would
    refuse to drop the test database.
    """
    if request.node.get_closest_marker("django_db") is None:
        yield
        return
    from django.conf import settings

    from fissile import trust
    from fissile.contexts import registry
    from fissile.events import wakeup
    from fissile.testing import broker
    from fissile.trust import keys

    names = ["users-access", *(keys.service_key(name) for name in registry.names())]
    keys.ensure(settings.FISSILE["keys_dir"], names)
    trust.configure(keys_dir=settings.FISSILE["keys_dir"])
    yield
    wakeup.close()
    broker.forget()
