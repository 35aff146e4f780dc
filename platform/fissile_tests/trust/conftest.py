"""Keys in a folder of the test's own."""

from __future__ import annotations

import pytest

from fissile.trust import configuration, keys

CONTEXTS = ("users", "orders", "bff")


@pytest.fixture
def keys_dir(tmp_path, monkeypatch):
    """Keys of a whole house, configured for a process that speaks for orders."""
    monkeypatch.setattr(configuration, "_configured", None)
    folder = tmp_path / "keys"
    keys.ensure(folder, [keys.ACCESS, *map(keys.service_key, CONTEXTS)])
    configuration.configure(keys_dir=folder, service="orders")
    return folder
