"""The private PostgreSQL and RabbitMQ: each role has its own, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode

import psycopg
import pytest

from deploy.local.house import ROOT, SERVICES_DIR, credentials, real_stores
from settings.contexts import CONTEXTS

pytestmark = [pytest.mark.house, pytest.mark.real]


def services(*words):
    """Run a command on the instance that the tests use."""
    command = [sys.executable, "-m", "deploy.local.services", *words, "--dir", str(SERVICES_DIR), "--for-tests"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def database_of(url):
    """Return who is connected where."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT current_user, current_database()").fetchone()


def test_a_second_start_finds_them_running():
    again = services("up")

    assert again.returncode == 0
    assert "ran already" in again.stdout


def test_a_cut_of_ones_own_gets_its_stores_and_keeps_them():
    for _ in range(2):
        assert services("up", "--role", "orders,bff").returncode == 0

    stores = real_stores(SERVICES_DIR, ("orders", "bff"), "orders,bff")
    assert database_of(stores["OPERATIONS_DATABASE_URL"]) == ("operations_orders__bff", "operations_orders__bff")
    assert database_of(stores["BFF_DATABASE_URL"]) == ("bff", "bff")


def test_a_role_that_names_no_context_is_refused():
    refused = services("up", "--role", "orders,kitchen")

    assert refused.returncode == 2
    assert "names kitchen" in refused.stderr


def test_the_broker_has_no_guest():
    port = credentials(SERVICES_DIR)["rabbitmq"]["management_port"]
    login = {"Authorization": "Basic " + b64encode(b"guest:guest").decode()}

    asked = urllib.request.Request(f"http://127.0.0.1:{port}/api/whoami", headers=login)
    with pytest.raises(urllib.error.HTTPError) as refused, urllib.request.urlopen(asked, timeout=5):  # noqa: S310
        pass

    with refused.value as answer:
        assert answer.code == 401


def test_a_reserved_set_is_fresh_each_time_and_gone_when_released():
    first = json.loads(services("reserve", "reserved_once").stdout)
    url = first["ORDERS_DATABASE_URL"]
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE mark (id int)")

    services("reserve", "reserved_once")
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT to_regclass('mark')").fetchone()
    released = services("release", "reserved_once")

    assert first["BROKER_URL"].endswith("/reserved_once")
    assert database_of(real_stores(SERVICES_DIR, CONTEXTS, "all")["ORDERS_DATABASE_URL"]) == ("orders", "orders")
    assert found == (None,)
    assert released.returncode == 0
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        database_of(url)


def test_the_passwords_are_for_their_owner_only():
    assert (SERVICES_DIR / "credentials.json").stat().st_mode & 0o077 == 0


def test_a_strange_name_for_a_set_is_refused():
    refused = services("reserve", 'x"; DROP DATABASE users; --')

    assert refused.returncode == 3
    assert "named in lower case letters" in refused.stderr
