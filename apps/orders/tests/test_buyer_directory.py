"""The BuyerDirectory suite, three ways, and what only a real neighbour can do."""

from __future__ import annotations

import socket
import time
from uuid import uuid4

import pytest
from django.conf import settings

from apps.orders.adapters.users import UsersBuyerDirectory
from apps.orders.tests.conformance_buyer_directory import (
    BuyerDirectoryConformance,
    FakeBuyerDirectory,
    OverUnrulyCalls,
)
from apps.orders.tests.factories import a_buyer
from apps.users import usecases as users
from fissile.calls import asking, far
from fissile.contexts import Registry
from fissile.data.unit_of_work import unit_of_work
from fissile.errors import BrokenContractError, UnreachableError

DATABASES = ["users", "orders"]


def sign_up():
    return users.sign_up(email=f"{uuid4().hex}@example.com", name="Rosa", password="a-wall-of-granite")


def without_users(monkeypatch, address):
    """Make this process one that has orders only, and reaches users at `address`."""
    apart = Registry()
    apart.configure(packages=settings.FISSILE["packages"], installed=("orders",), addresses={"users": address})
    monkeypatch.setattr(asking, "registry", apart)
    monkeypatch.setattr(far, "registry", apart)


class TestFakeBuyerDirectory(BuyerDirectoryConformance):
    @pytest.fixture
    def registered(self):
        return a_buyer()

    @pytest.fixture
    def directory(self, registered):
        return FakeBuyerDirectory(registered)


@pytest.mark.django_db(databases=DATABASES, transaction=True)
class TestNearBuyerDirectory(BuyerDirectoryConformance):
    @pytest.fixture
    def registered(self):
        return sign_up()

    @pytest.fixture
    def directory(self):
        return UsersBuyerDirectory()


@pytest.mark.django_db(databases=DATABASES, transaction=True)
class TestFarBuyerDirectory(BuyerDirectoryConformance):
    @pytest.fixture
    def registered(self, live_server):
        return sign_up()

    @pytest.fixture
    def directory(self, live_server, monkeypatch):
        without_users(monkeypatch, live_server.url)
        yield UsersBuyerDirectory()
        far._pool.clear()


class TestNearBuyerDirectoryOverUnrulyCalls(OverUnrulyCalls, TestNearBuyerDirectory):
    """The same suite, near."""


class TestFarBuyerDirectoryOverUnrulyCalls(OverUnrulyCalls, TestFarBuyerDirectory):
    """The same suite, far."""


def test_a_refused_connection_is_unreachable_well_within_two_seconds(monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        without_users(monkeypatch, f"http://127.0.0.1:{closed.getsockname()[1]}")
        started = time.monotonic()

        with pytest.raises(UnreachableError):
            UsersBuyerDirectory().find_buyer(uuid4())

    assert time.monotonic() - started < 2


def test_a_neighbour_that_never_answers_is_unreachable_well_within_two_seconds(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        without_users(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()

        with pytest.raises(UnreachableError):
            UsersBuyerDirectory().find_buyer(uuid4())

    assert time.monotonic() - started < 2


@pytest.mark.django_db(databases=["orders"], transaction=True)
def test_nobody_is_asked_inside_a_transaction():
    with unit_of_work("orders"), pytest.raises(BrokenContractError, match="transaction"):
        UsersBuyerDirectory().find_buyer(uuid4())
