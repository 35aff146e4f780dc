"""The registry: installed means near, the rest needs an address, strangers are refused at the start."""

from __future__ import annotations

import sys

import pytest

from fissile.contexts import Context, Registry, UnknownContextError

PACKAGES = {"users": "apps.users", "orders": "apps.orders", "bff": "bff_app"}


def a_registry(installed, addresses=None):
    registry = Registry()
    registry.configure(packages=PACKAGES, installed=tuple(installed), addresses=addresses or {})
    return registry


def test_installed_contexts_are_near():
    registry = a_registry(["users", "orders"])

    assert registry.is_near("users")
    assert not registry.is_near("bff")
    assert [context.name for context in registry.installed()] == ["users", "orders"]


def test_a_needed_neighbour_without_an_address_stops_the_process():
    with pytest.raises(UnknownContextError, match=r"orders asks users.*TOPOLOGY"):
        a_registry(["orders"])


def test_a_needed_neighbour_with_an_address_is_far():
    registry = a_registry(["orders"], {"users": "http://127.0.0.1:3001"})

    assert not registry.is_near("users")
    assert registry.address("users") == "http://127.0.0.1:3001"


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(UnknownContextError, match=r"parcels.*bff, orders, users"):
        a_registry(["users"], {"parcels": "http://127.0.0.1:3009"})


def test_contexts_that_are_not_installed_are_never_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "bff_app.context", raising=False)

    a_registry(["users"])

    assert "bff_app.context" not in sys.modules


def test_a_consumer_is_named_by_its_context_and_its_source():
    (orders,) = a_registry(["orders"], {"users": "http://127.0.0.1:3001"}).installed()

    assert orders.consumers == ("orders.payments", "orders.users")


def test_who_is_sent_commands_and_who_replies_follows_from_both_declarations():
    asker = Context(name="pier", package="pier", sends=("depot.send.v1",), requests=("harbour.ring.v1",))
    taker = Context(name="harbour", package="harbour", takes={"harbour.ring.v1": ("pier", "quay")})

    assert (asker.recipients, asker.correspondents) == (("depot", "harbour"), ("harbour",))
    assert (taker.recipients, taker.correspondents) == (("pier", "quay"), ("pier", "quay"))
    assert (asker.exchanges, asker.ears) == (("pier.to-depot", "pier.to-harbour"), ("pier.from-harbour",))
    assert taker.receivers == ("harbour.from-pier", "harbour.from-quay")
    assert asker.tells
    assert not Context(name="isle", package="isle").tells
