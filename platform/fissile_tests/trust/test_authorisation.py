"""Who may call what: the declaration's offers and nothing else."""

from __future__ import annotations

import pytest

from fissile.contexts import Context, Registry
from fissile.trust import NotAllowed, authorisation, ensure_may_call, may_call


@pytest.fixture(autouse=True)
def offers(monkeypatch):
    house = Registry()
    offered = Context(name="users", package="apps.users", offers={"get_account": ("orders", "bff"), "nobody": ()})
    monkeypatch.setattr(house, "_installed", {"users": offered})
    monkeypatch.setattr(authorisation, "registry", house)


def test_a_named_caller_may_call():
    assert may_call("users", "get_account", "orders")
    assert may_call("users", "get_account", "bff")


@pytest.mark.parametrize(
    ("context", "function", "actor"),
    [
        ("users", "get_account", "payments"), ("users", "get_account", ""), ("users", "get_account", None),
        ("users", "get_account", "order"), ("users", "get_account", "users"), ("users", "nobody", "orders"),
        ("users", "delete_account", "orders"), ("users", "__import__", "orders"), ("users", "", "orders"),
        ("orders", "get_account", "orders"), ("", "", "orders"),
    ],
)  # fmt: skip
def test_everything_undeclared_is_denied(context, function, actor):
    assert not may_call(context, function, actor)
    with pytest.raises(NotAllowed) as no:
        ensure_may_call(context, function, actor)
    assert (no.value.status, no.value.code) == (403, "not_allowed")
