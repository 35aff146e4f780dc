"""A folder of services outlives the code that made it: what is new is added by `up`, and nothing is lost.

May touch: an instance of its own, on free ports, started once for this file.
"""

from __future__ import annotations

import json
from contextlib import closing

import amqp
import psycopg
import pytest

from deploy.local.house import HOST, credentials, real_stores
from deploy.local.services import broker
from deploy.local.services.upgrade import SHARED_DEAD_LETTERS
from fissile.events import bus
from settings.contexts import CONTEXTS
from tests.proofs.trespass import connection_to

from .instances import new_instance, services

pytestmark = [pytest.mark.house, pytest.mark.real]
OLD_USER = {"user": "fissile", "password": "of-the-old-user"}


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    """A shop's instance, as `make services` makes one: its roles may not make databases."""
    found = new_instance(tmp_path_factory.mktemp("services"))
    services("up", found)
    yield found
    services("down", found)


def rewrite(instance, change):
    """Change the credentials file as an older version would have written it."""
    path = instance.folder / "credentials.json"
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


def test_no_role_of_a_shop_may_make_databases(instance):
    stores = real_stores(instance.folder, tuple(CONTEXTS), "all")

    refused = 0
    for url in (url for name, url in stores.items() if name.endswith("_DATABASE_URL")):
        refusal = pytest.raises(psycopg.errors.InsufficientPrivilege)
        with closing(psycopg.connect(url, autocommit=True)) as server, refusal:
            server.execute("CREATE DATABASE mine")
        refused += 1
    assert refused == len(CONTEXTS) + 1


def test_a_context_that_came_later_gets_its_accounts_and_the_others_keep_theirs(instance):
    before = credentials(instance.folder)
    newest = list(CONTEXTS)[-1]
    admin = before["postgres"]

    def as_it_was(found):
        for server in ("postgres", "rabbitmq"):
            del found[server]["passwords"][newest]

    rewrite(instance, as_it_was)
    broker.ask(instance, "DELETE", f"/api/users/{newest}")
    login = {"user": admin["superuser"], "password": admin["superuser_password"], "dbname": "postgres"}
    with closing(psycopg.connect(host=HOST, port=admin["port"], **login, autocommit=True)) as server:
        server.execute(f"DROP DATABASE {newest}")
        server.execute(f"DROP ROLE {newest}")

    services("up", instance)

    stores = real_stores(instance.folder, tuple(CONTEXTS), "all")
    for name in CONTEXTS:
        with closing(psycopg.connect(stores[f"{name.upper()}_DATABASE_URL"])) as server:
            assert server.execute("SELECT current_user, current_database()").fetchone() == (name, name)
        connection_to(stores[f"{name.upper()}_BROKER_URL"]).close()
    after = credentials(instance.folder)
    for server in ("postgres", "rabbitmq"):
        known = {name: secret for name, secret in before[server]["passwords"].items() if name != newest}
        assert known.items() <= after[server]["passwords"].items()
        assert newest in after[server]["passwords"]
    assert (instance.folder / "credentials.json").stat().st_mode & 0o077 == 0


def test_an_instance_with_one_user_for_all_loses_the_user_and_no_message(instance):
    with_one_user(instance)
    old = f"amqp://{OLD_USER['user']}:{OLD_USER['password']}@{HOST}:{instance.amqp_port}/fissile"
    with connection_to(old) as connection:
        channel = connection.channel()
        arguments = {"x-queue-type": "quorum", "x-dead-letter-exchange": SHARED_DEAD_LETTERS}
        channel.queue_declare("orders.users", durable=True, auto_delete=False, arguments=full(arguments))
        channel.queue_bind("orders.users", "users", "#")
        channel.exchange_declare("all.tasks", "direct", durable=True, auto_delete=False)
        channel.confirm_select()
        for number in range(3):
            message = amqp.Message(b"{}", message_id=f"old-{number}", delivery_mode=2)
            channel.basic_publish_confirm(message, "users", "users.trial.v1")

    services("up", instance)

    stores = real_stores(instance.folder, ("orders",), "all")
    bus.declare(stores["ORDERS_BROKER_URL"], (), [("orders.users", "users")])
    consumer = bus.open_consumer(stores["ORDERS_BROKER_URL"], "orders.users", 10)
    kept = [one.message_id for one in consumer.receive(10, 3)]
    consumer.close()
    assert kept == ["old-0", "old-1", "old-2"]
    assert "user" not in credentials(instance.folder)["rabbitmq"]
    assert broker.ask(instance, "GET", "/api/exchanges/fissile/all.tasks", missing_is_fine=True) is None
    with pytest.raises(amqp.exceptions.AccessRefused):
        connection_to(old)


def with_one_user(instance):
    """Make an instance what it was when all contexts shared a user with every right."""

    def as_it_was(found):
        del found["rabbitmq"]["passwords"]
        found["rabbitmq"] |= OLD_USER

    rewrite(instance, as_it_was)
    broker.ask(instance, "PUT", f"/api/users/{OLD_USER['user']}", {"password": OLD_USER["password"], "tags": ""})
    broker.allow(instance, "fissile", OLD_USER["user"], broker.ALL)


def full(arguments):
    """Return a consumer queue's arguments, with what is other than today."""
    from fissile.events.bus import topology

    return topology.queue("orders.users", "users", embedded=False).queue_arguments | arguments
