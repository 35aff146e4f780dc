"""On the real tier every account is refused all that is not its own, tried from outside with the servers' own clients.

May touch: a set of stores of its own, made for this file on the tests' instance.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections import Counter
from functools import partial
from itertools import permutations
from urllib.parse import urlsplit

import amqp
import pytest

from deploy.local.house import (
    HOST,
    ROOT,
    SERVICES_DIR,
    SHIPPED_ROLES,
    credentials,
    operations_owner,
    real_stores,
)
from deploy.local.services import broker, postgres, rabbitmq
from deploy.local.services.instance import Instance, as_server, base_of
from deploy.local.services.rights import all_rights, declarations
from fissile.events import bus
from fissile.events.bus.topology import WHOLE_STREAM, dead_letters_of
from settings.contexts import CONTEXTS
from settings.roles import celery_names, contexts_of
from tests.proofs.trespass import connection_to, pairs, refusal, tries

pytestmark = [pytest.mark.house, pytest.mark.real]
STORES = "least_privilege"
# Two that share their processes in no cut that is shipped.
CUT = ",".join(tuple(CONTEXTS)[:2])
ROLES = (*SHIPPED_ROLES, CUT)
# What a user of PostgreSQL might try to get out of its own database.
WAYS_OUT = (
    "CREATE ROLE mole LOGIN",
    "ALTER ROLE {other} PASSWORD 'mine'",
    "SET ROLE {other}",
    "SET SESSION AUTHORIZATION {other}",
    "GRANT CONNECT ON DATABASE {stores}_{other} TO {own}",
    "DROP DATABASE {stores}_{other}",
    "CREATE EXTENSION dblink",
    "CREATE EXTENSION postgres_fdw",
    "SELECT pg_read_file('postgresql.conf')",
    "COPY (SELECT 1) TO PROGRAM 'cat'",
    "SELECT rolpassword FROM pg_authid",
)
# SQLSTATE insufficient_privilege: the sentences differ between versions of the server.
REFUSED = "ERROR:  42501"
# On exchanges 8, on queues 8; see trespass.py.
OPERATIONS = 16


@pytest.fixture(scope="module")
def addresses():
    """Addresses by owner of a fresh set of stores: {"DATABASE": url, "BROKER": url}."""
    services("reserve", *(word for role in ROLES for word in ("--role", role)))
    found = {}
    for role in ROLES:
        stores = real_stores(SERVICES_DIR, tuple(CONTEXTS), role, STORES)
        found[operations_owner(role)] = {"DATABASE": stores["OPERATIONS_DATABASE_URL"], "BROKER": stores["BROKER_URL"]}
    for name in CONTEXTS:
        found[name] = {kind: stores[f"{name.upper()}_{kind}_URL"] for kind in ("DATABASE", "BROKER")}
    yield found
    services("release")


def services(command, *words):
    where = ["--dir", str(SERVICES_DIR), "--for-tests"]
    subprocess.run(
        [sys.executable, "-m", "deploy.local.services", command, STORES, *words, *where],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def instance():
    """The tests' own servers."""
    return Instance(folder=SERVICES_DIR, base=base_of(SERVICES_DIR, None))


@pytest.fixture(scope="module")
def psql():
    """Run statements with PostgreSQL's own client; return (exit code, what it said)."""
    binaries = postgres.find_binaries()
    if binaries is None:
        pytest.skip("the servers run in containers here: no psql on this machine")

    def run(url, sql):
        words = ["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=sqlstate", "-c", sql, url]
        ran = subprocess.run([str(binaries / "psql"), *words], capture_output=True, text=True, check=False)
        return ran.returncode, (ran.stdout + ran.stderr).strip()

    return run


@pytest.fixture(scope="module")
def shop(addresses):
    """Contexts by name, once each of them has declared what is its own with its own account."""
    contexts = {context.name: context for context in declarations()}
    for name, context in contexts.items():
        topology = bus.topology_of([context])
        bus.declare(addresses[name]["BROKER"], topology.exchanges, topology.queues)
    return contexts


# -- PostgreSQL


def test_every_role_works_in_its_own_database_with_psql(addresses, psql):
    for owner, urls in addresses.items():
        sql = "CREATE TABLE mark (id int); INSERT INTO mark VALUES (7); SELECT current_user, id FROM mark"

        assert psql(urls["DATABASE"], sql) == (0, f"CREATE TABLE\nINSERT 0 1\n{owner}|7")


def test_every_role_is_refused_in_every_other_database_with_psql(addresses, psql):
    refused = 0
    for own, other in permutations(addresses, 2):
        place = addresses[own]["DATABASE"].rpartition("/")[0]

        code, said = psql(f"{place}/{STORES}_{other}", "SELECT * FROM mark")

        assert code, f"{own} was let into {other}'s database"
        assert f'permission denied for database "{STORES}_{other}"' in said
        refused += 1
    assert refused == len(addresses) * (len(addresses) - 1)


def test_no_role_finds_a_way_out_of_its_own_database_with_psql(addresses, psql):
    refused = 0
    for own, other in permutations(CONTEXTS, 2):
        for way in WAYS_OUT:
            said = psql(addresses[own]["DATABASE"], way.format(own=own, other=other, stores=STORES))

            assert said == (1, REFUSED), f"{own}: {way}"
            refused += 1
    assert refused == len(CONTEXTS) * (len(CONTEXTS) - 1) * len(WAYS_OUT)


# -- RabbitMQ


def test_every_operation_on_what_is_foreign_is_refused_by_the_broker(addresses, shop):
    tried, refused = 0, Counter()
    for owner, own, foreign, heard in pairs(shop.values(), ROLES):
        with connection_to(addresses[owner]["BROKER"]) as connection:
            for what, name, how in tries(own, foreign, heard=heard):
                tried += 1
                said = refusal(connection, how)
                assert said, f"{owner} was let to {what} {name}"
                # amq.default: the exchange by which a publisher would reach any queue by its name.
                blamed = (name, "amq.default") if owner in shop else (name, "amq.default", f"{own.queues[0]}.trespass")
                assert any(f"'{one}'" in said for one in blamed), said
                refused[what] += 1

    assert (tried, len(refused)) == (refused.total(), OPERATIONS), refused
    assert min(refused.values()) > len(CONTEXTS), refused


def test_every_context_does_with_its_own_what_it_must(addresses, shop):
    received = []
    for name, context in shop.items():
        for queue, exchange in bus.topology_of([context]).queues:
            consumer = bus.open_consumer(addresses[name]["BROKER"], queue, 10)
            publisher = bus.open_publisher(addresses[owner_of(exchange)]["BROKER"], exchange)
            message = bus.Outgoing(id=f"for-{queue}", routing_key=f"{owner_of(exchange)}.trial.v1", body=b"{}")
            assert publisher.publish([message], deadline_seconds=10).confirmed == {message.id}
            deliveries = consumer.receive(10, 10)
            received += [one.message_id for one in deliveries if one.message_id == message.id]
            consumer.ack(deliveries)
            publisher.close()
            consumer.close()

    assert sorted(received) == sorted(f"for-{queue}" for queue, _ in bus.topology_of(shop.values()).queues)


def test_what_a_queue_gives_up_lands_in_its_own_contexts_net(addresses, shop):
    name, context = next((name, context) for name, context in shop.items() if context.consumes)
    queue, source = bus.topology_of([context]).queues[0]
    publisher = bus.open_publisher(addresses[source]["BROKER"], source)
    message = bus.Outgoing(id="given-up", routing_key=f"{source}.trial.v1", body=b"{}")
    publisher.publish([message], deadline_seconds=10)
    publisher.close()

    with connection_to(addresses[name]["BROKER"]) as connection:
        channel = connection.channel()
        channel.basic_reject(next(polled(lambda: channel.basic_get(queue))).delivery_tag, requeue=False)
        dead = next(polled(lambda: channel.basic_get(dead_letters_of(queue))))

    assert dead.properties["message_id"] == "given-up"
    assert dead.headers["x-first-death-queue"] == queue


def test_only_a_declared_source_is_heard_and_nothing_that_is_said_to_another_alone(addresses, shop):
    heard, refused = [], []
    for name, context in shop.items():
        declared = bus.topology_of([context]).queues
        if not declared:
            continue
        with connection_to(addresses[name]["BROKER"]) as connection:
            for exchange in (one for other in shop.values() if other is not context for one in other.exchanges):
                bind = partial(
                    amqp.Channel.queue_bind, queue=declared[0][0], exchange=exchange, routing_key=WHOLE_STREAM
                )
                (refused if refusal(connection, bind) else heard).append((name, exchange))

    expected = [(name, exchange) for name, one in shop.items() for _, exchange in bus.topology_of([one]).queues]
    assert sorted(heard) == sorted(expected)
    assert ("bff", "orders.to-payments") in refused


def test_a_context_says_to_another_alone_by_its_own_exchange_and_by_no_other_way(addresses, shop):
    with connection_to(addresses["users"]["BROKER"]) as connection:
        said = refusal(
            connection,
            lambda channel: (
                channel.confirm_select(),
                channel.basic_publish_confirm(amqp.Message(b"{}"), "orders.to-payments", "payments.report_payment.v1"),
            ),
        )

    assert said is not None
    assert "'orders.to-payments'" in said


def test_a_process_sends_itself_tasks_with_its_own_account(addresses, shop):
    role = SHIPPED_ROLES[-1]
    stores = real_stores(SERVICES_DIR, contexts_of(role), role, STORES)
    send = "from settings.celery import app; app.send_task('nobody.does', connection=app.connection_for_write())"
    neighbours = " ".join(f"{name}=http://{HOST}:1" for name in CONTEXTS if name not in contexts_of(role))

    subprocess.run(
        [sys.executable, "-c", send], cwd=ROOT, check=True, timeout=60,
        env=os.environ | stores | {"ROLE": role, "TIER": "real", "TOPOLOGY": neighbours},
    )  # fmt: skip

    with connection_to(addresses[operations_owner(role)]["BROKER"]) as connection:
        task = next(polled(lambda: connection.channel().basic_get(celery_names(role)[0])))
    assert task.headers["task"] == "nobody.does"


def test_no_account_is_let_into_another_vhost(addresses, instance):
    broker.ask(instance, "PUT", "/api/vhosts/somebody_elses", {})
    try:
        for owner, urls in addresses.items():
            with pytest.raises(amqp.exceptions.NotAllowed, match=f"refused for user '{owner}'"):
                connection_to(urls["BROKER"], "somebody_elses")
    finally:
        broker.delete_vhost(instance, "somebody_elses")


def test_no_account_of_the_shop_may_use_the_management_api(addresses, instance):
    for owner, urls in addresses.items():
        password = urlsplit(urls["BROKER"]).password
        login = "Basic " + b64encode(f"{owner}:{password}".encode()).decode()
        url = f"http://{HOST}:{instance.management_port}/api/queues"
        asked = urllib.request.Request(url, headers={"Authorization": login})
        with pytest.raises(urllib.error.HTTPError) as refused, urllib.request.urlopen(asked, timeout=5):  # noqa: S310
            pass
        with refused.value as answer:
            assert answer.code == 401


def test_rabbitmqctl_knows_no_right_beyond_the_declared_ones(addresses, instance):
    home = SERVICES_DIR.resolve() / "rabbitmq"
    server = rabbitmq.find_binary()
    if server is None:
        pytest.skip("the servers run in containers here: no rabbitmqctl on this machine")
    node = {"ERL_EPMD_PORT": str(instance.epmd_port), "RABBITMQ_NODENAME": f"fissile{instance.base}@localhost"}

    def rabbitmqctl(*words):
        command = [str(server.parent / "rabbitmqctl"), "-q", "--formatter", "json", *words]
        command = as_server(rabbitmq.USER, home, command, node)
        return json.loads(subprocess.run(command, cwd="/", check=True, capture_output=True, timeout=60).stdout)

    rights = {row.pop("user"): row for row in rabbitmqctl("list_permissions", "-p", STORES)}
    tags = {row["user"]: row["tags"] for row in rabbitmqctl("list_users")}

    keeper = credentials(SERVICES_DIR)["rabbitmq"]["keeper"]
    assert rights.pop(keeper) == broker.ALL.as_json()
    assert rights == {user: one.as_json() for user, one in all_rights(declarations(), ROLES).items()}
    assert {user for user, found in tags.items() if found} == {keeper}


def owner_of(exchange):
    """Return the context that publishes to an exchange: the first word of its name."""
    return exchange.partition(".")[0]


def polled(look):
    """Yield the first answer of a queue that takes a moment."""
    ends = time.monotonic() + 10
    while (found := look()) is None:
        assert time.monotonic() < ends
        time.sleep(0.02)
    yield found
