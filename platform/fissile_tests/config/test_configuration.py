"""Configuration: every fault at once, each naming its variable and the way out."""

from __future__ import annotations

import pytest

from fissile.config import ConfigurationError, Reader
from settings import environment


def test_every_fault_is_reported_at_once():
    with pytest.raises(ConfigurationError) as caught:
        environment.read(
            {"ROLE": "kitchen", "TIER": "gold", "DEBUG": "maybe", "TOPOLOGY": "users=localhost mars=http://x"}
        )

    text = str(caught.value)
    assert text.startswith("5 faults")
    for name in ("ROLE names kitchen", "TIER is 'gold'", "DEBUG is 'maybe'", "users=localhost", "TOPOLOGY names mars"):
        assert name in text


def test_the_real_tier_needs_addresses(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        environment.read({"TIER": "real", "STATE_DIR": str(tmp_path)})

    for alias in ("USERS", "ORDERS", "BFF", "OPERATIONS"):
        assert f"{alias}_DATABASE_URL" in str(caught.value)
    assert "BROKER_URL" in str(caught.value)


def test_a_secret_may_come_from_a_file_but_not_twice(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("from the file\n")

    assert Reader({"KEY_FILE": str(secret)}).text("KEY") == "from the file"
    twice = Reader({"KEY_FILE": str(secret), "KEY": "beside"})
    twice.text("KEY")
    assert twice.faults == ["KEY is set, and so is KEY_FILE; keep one of them"]


def test_a_missing_secret_file_is_a_fault(tmp_path):
    reader = Reader({"KEY_FILE": str(tmp_path / "absent")})
    reader.text("KEY")

    with pytest.raises(ConfigurationError, match="KEY_FILE cannot be read"):
        reader.finish()


def test_what_was_read_shows_no_secret(tmp_path):
    read = environment.read(
        {"STATE_DIR": str(tmp_path), "SECRET_KEY": "canary-1", "USERS_DATABASE_URL": "postgres://u:canary-2@h/users"}
    )

    assert "canary" not in repr(read)


def test_the_gateway_needs_no_database_and_no_broker(tmp_path):
    read = environment.read({"ROLE": "gateway", "TIER": "real", "STATE_DIR": str(tmp_path)})

    assert (read.contexts, read.database_urls) == ((), {})
