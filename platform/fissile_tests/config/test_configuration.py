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


def test_the_guard_of_the_borders_has_one_mode_for_all_and_one_for_each(tmp_path):
    home = {"STATE_DIR": str(tmp_path)}

    assert environment.read(home).boundary_guard == {"sql": "refuse", "writes": "refuse", "calls": "refuse"}
    read = environment.read(
        {**home, "BOUNDARY_GUARD": "report", "BOUNDARY_GUARD_CALLS": "refuse", "BOUNDARY_GUARD_SAMPLE": "0.01"}
    )

    assert read.boundary_guard == {"sql": "report", "writes": "report", "calls": "refuse"}
    assert read.boundary_guard_sample == 0.01


@pytest.mark.parametrize("share", ["2", "-0.1", "nan", "half", ""])
def test_a_sample_is_a_number_from_0_to_1(tmp_path, share):
    with pytest.raises(ConfigurationError, match="BOUNDARY_GUARD_SAMPLE is"):
        environment.read({"STATE_DIR": str(tmp_path), "BOUNDARY_GUARD_SAMPLE": share})


def test_every_outbox_has_a_limit_and_one_context_may_have_its_own(tmp_path):
    home = {"STATE_DIR": str(tmp_path)}

    assert set(environment.read(home).outbox_limits.values()) == {1_000_000}
    read = environment.read({**home, "OUTBOX_LIMIT": "5_000", "ORDERS_OUTBOX_LIMIT": "70"})

    assert (read.outbox_limits["users"], read.outbox_limits["orders"]) == (5_000, 70)


@pytest.mark.parametrize("limit", ["0", "-1", "1.5", "many", ""])
def test_a_limit_is_a_whole_number_from_1_up(tmp_path, limit):
    with pytest.raises(ConfigurationError, match="ORDERS_OUTBOX_LIMIT is"):
        environment.read({"STATE_DIR": str(tmp_path), "ORDERS_OUTBOX_LIMIT": limit})


def test_the_real_tier_needs_addresses(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        environment.read({"TIER": "real", "STATE_DIR": str(tmp_path)})

    for alias in ("USERS", "ORDERS", "BFF", "OPERATIONS"):
        assert f"{alias}_DATABASE_URL" in str(caught.value)
    assert str(caught.value).count("BROKER_URL") == 1


def test_a_context_has_its_own_account_on_the_broker_or_the_processs(tmp_path):
    read = environment.read(
        {
            "STATE_DIR": str(tmp_path),
            "BROKER_URL": "amqp://operations_all:a@h/v",
            "ORDERS_BROKER_URL": "amqp://orders:b@h/v",
        }
    )

    assert read.broker_urls["orders"] == "amqp://orders:b@h/v"
    assert read.broker_urls["users"] == read.broker_url == "amqp://operations_all:a@h/v"


def test_on_the_embedded_tier_all_contexts_share_one_bus_file(tmp_path):
    read = environment.read({"STATE_DIR": str(tmp_path)})

    assert set(read.broker_urls.values()) == {f"sqlitebus:///{tmp_path}/embedded/bus.sqlite3"}


def test_a_broker_address_of_another_kind_is_a_fault_that_shows_no_password(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        environment.read(
            {"STATE_DIR": str(tmp_path), "BROKER_URL": "redis://u:canary@h", "ORDERS_BROKER_URL": "canary@h"}
        )

    assert "BROKER_URL starts with none of amqp://, amqps://, sqlitebus://" in str(caught.value)
    assert "ORDERS_BROKER_URL starts with none of" in str(caught.value)
    assert str(caught.value).startswith("2 faults")
    assert "canary" not in str(caught.value)


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
        {
            "STATE_DIR": str(tmp_path),
            "SECRET_KEY": "canary-1",
            "USERS_DATABASE_URL": "postgres://u:canary-2@h/users",
            "USERS_BROKER_URL": "amqp://u:canary-3@h/v",
            "BROKER_URL": "amqp://u:canary-4@h/v",
        }
    )

    assert "canary" not in repr(read)


def test_the_gateway_needs_no_database_and_no_broker(tmp_path):
    read = environment.read({"ROLE": "gateway", "TIER": "real", "STATE_DIR": str(tmp_path)})

    assert (read.contexts, read.database_urls) == ((), {})
