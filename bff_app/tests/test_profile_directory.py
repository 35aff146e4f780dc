"""The ProfileDirectory suite, three ways, and what only a real neighbour can do."""

from __future__ import annotations

import socket
import time
from uuid import uuid4

import pytest
from django.conf import settings

from apps.users import usecases as users
from bff_app.adapters.users import UsersProfileDirectory
from bff_app.tests.conformance_profile_directory import (
    FakeProfileDirectory,
    OverUnrulyCalls,
    ProfileDirectoryConformance,
)
from bff_app.tests.factories import a_profile
from fissile.calls import asking, far
from fissile.contexts import Registry
from fissile.errors import UnreachableError

DATABASES = ["users", "bff"]


def sign_up():
    return users.sign_up(email=f"{uuid4().hex}@example.com", name="Rosa", password="a-wall-of-granite")


def without_users(monkeypatch, address):
    """Make this process one that has the BFF only, and reaches users at `address`."""
    apart = Registry()
    apart.configure(packages=settings.FISSILE["packages"], installed=("bff",), addresses={"users": address})
    monkeypatch.setattr(asking, "registry", apart)
    monkeypatch.setattr(far, "registry", apart)


class TestFakeProfileDirectory(ProfileDirectoryConformance):
    @pytest.fixture
    def registered(self):
        return a_profile()

    @pytest.fixture
    def directory(self, registered):
        return FakeProfileDirectory(registered)


@pytest.mark.django_db(databases=DATABASES, transaction=True)
class TestNearProfileDirectory(ProfileDirectoryConformance):
    @pytest.fixture
    def registered(self):
        return sign_up()

    @pytest.fixture
    def directory(self):
        return UsersProfileDirectory()


@pytest.mark.django_db(databases=DATABASES, transaction=True)
class TestFarProfileDirectory(ProfileDirectoryConformance):
    @pytest.fixture
    def registered(self, live_server):
        return sign_up()

    @pytest.fixture
    def directory(self, live_server, monkeypatch):
        without_users(monkeypatch, live_server.url)
        yield UsersProfileDirectory()
        far._pool.clear()


class TestNearProfileDirectoryOverUnrulyCalls(OverUnrulyCalls, TestNearProfileDirectory):
    """The same suite, near."""


class TestFarProfileDirectoryOverUnrulyCalls(OverUnrulyCalls, TestFarProfileDirectory):
    """The same suite, far."""


def test_a_neighbour_that_never_answers_is_unreachable_before_the_dashboard_is_late(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        without_users(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()

        with pytest.raises(UnreachableError):
            UsersProfileDirectory().find_profile(uuid4())

    assert time.monotonic() - started < 1.5
