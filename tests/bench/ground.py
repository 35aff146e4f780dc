"""The ground of a measurement: stores of its own on private servers, Django on them, prepared rows, counts.

May touch: the databases and the vhost of the set `bench`, made afresh for a run and dropped after it.
"""

from __future__ import annotations

import json
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any
from uuid import UUID

from deploy.local.house import SERVICES_DIR, keeper_broker, real_stores
from settings.contexts import CONTEXTS
from tests.house import ROOT

STORES = "bench"
# The real names: the relay of orders publishes, the read model of the BFF listens.
SOURCE, READER = "orders", "bff"
QUEUE = f"{READER}.{SOURCE}"
EVENT = "orders.bench_measured.v1"
# With its envelope a message is about 1 KiB.
TEXT = "x" * 550
VERSIONS = 10


@dataclass
class Attached:
    """This process on the ground: the class of the measured event, and (message id, time) of each committed effect.

    `is_bare`: its handler does nothing, so that what is measured is the consumer alone.
    """

    event: Any = None
    effects: list[tuple[str, float]] = field(default_factory=list)
    is_bare: bool = False


@contextmanager
def ground() -> Iterator[Attached]:
    """Make the stores, point this process and its children at them, and drop them at the end."""
    _services("reserve")
    try:
        state = ROOT / ".run" / "bench"
        state.mkdir(parents=True, exist_ok=True)
        os.environ.update(
            real_stores(SERVICES_DIR, tuple(CONTEXTS), "all", STORES), TIER="real", ROLE="all", TOPOLOGY="",
            STATE_DIR=str(state), DJANGO_SETTINGS_MODULE="settings.base", PROCESS_NAME="bench-manage",
        )  # fmt: skip
        attached = attach()
        _prepare()
        yield attached
    finally:
        _close()
        _services("release")


def _services(word: str) -> None:
    command = [sys.executable, "-m", "deploy.local.services", word, STORES, "--dir", str(SERVICES_DIR)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def attach() -> Attached:
    """Set Django up in this process and register the measured event with a handler that inserts one row."""
    import django

    django.setup()
    from django.db import connections, transaction

    from fissile.events.consumers import consumes
    from fissile.messages import Event

    attached = Attached()

    @dataclass(frozen=True, kw_only=True)
    class Measured(Event):
        name = EVENT
        aggregate_type = "order"
        key_text: str
        text: str

        @property
        def key(self) -> str:
            return self.key_text

    attached.event = Measured

    @consumes(Measured, into=READER)
    def take(_: Measured, message: Any) -> None:
        if attached.is_bare:
            return
        with connections[READER].cursor() as cursor:
            cursor.execute("INSERT INTO bff_bench_effect (message) VALUES (%s)", [message.id])
        # The machine's clock is the same for every process, and for the database.
        transaction.on_commit(lambda: attached.effects.append((str(message.id), time.time())), using=READER)

    return attached


def _prepare() -> None:
    from django.core.management import call_command
    from django.db import connections

    from fissile.data.guard import writing
    from fissile.events import bus

    for alias in (SOURCE, READER):
        call_command("migrate", database=alias, verbosity=0)
    with writing(READER), connections[READER].cursor() as cursor:
        cursor.execute("CREATE TABLE bff_bench_effect (seq bigserial PRIMARY KEY, message uuid NOT NULL)")
        cursor.execute("CREATE TABLE bff_bench_seen (message uuid PRIMARY KEY)")
    bus.declare(keeper(), (SOURCE,), ((QUEUE, SOURCE),))


def _close() -> None:
    from django.db import connections

    from fissile.events import wakeup

    wakeup.close()
    connections.close_all()


def keeper() -> str:
    """Return the broker's address of its administrator, in the run's own vhost."""
    return keeper_broker(SERVICES_DIR, STORES)


def broker_of(context: str) -> str:
    """Return the broker's address of a context's own account."""
    return os.environ[f"{context.upper()}_BROKER_URL"]


def outgoing(count: int, seed: int) -> list[Any]:
    """Return encoded messages, `VERSIONS` of each aggregate, the first versions of all first; ids are seeded."""
    from fissile.events import bus
    from fissile.messages import Envelope, encode_envelope

    return [
        bus.Outgoing(id=str(envelope.id), routing_key=EVENT, body=encode_envelope(envelope), exchange=SOURCE)
        for envelope in (
            Envelope(
                id=row[0], source=SOURCE, type=EVENT, subject=row[1], aggregateversion=row[2], time=datetime.now(UTC),
                correlationid=str(row[0]), data={"key_text": row[1].partition("/")[2], "text": TEXT},
            )
            for row in places(count, seed)
        )
    ]  # fmt: skip


def places(count: int, seed: int) -> list[tuple[UUID, str, int]]:
    """Return (id, aggregate, version) of `count` messages."""
    dice = random.Random(seed)
    aggregates = max(1, count // VERSIONS)
    run = f"{dice.getrandbits(64):x}"
    return [
        (UUID(int=dice.getrandbits(128), version=4), f"order/{run}-{number % aggregates}", number // aggregates + 1)
        for number in range(count)
    ]


def fill_outbox(count: int, seed: int) -> list[str]:
    """Replace the outbox's rows with `count` unsent ones; return their ids."""
    from django.db import connections

    from fissile.events.models import lane_of

    columns = "id, aggregate, version, lane, type, payload, headers, attempts, reason"
    rows = places(count, seed)
    connections[SOURCE].ensure_connection()
    with connections[SOURCE].connection.cursor() as cursor:
        cursor.execute("TRUNCATE orders_outbox")
        with cursor.copy(f"COPY orders_outbox ({columns}) FROM STDIN") as copy:
            for one, aggregate, version_ in rows:
                data = json.dumps({"key_text": aggregate.partition("/")[2], "text": TEXT})
                headers = json.dumps({"correlationid": str(one), "tenant": "shop"})
                copy.write_row((one, aggregate, version_, lane_of(aggregate), EVENT, data, headers, 0, ""))
        cursor.execute("ANALYZE orders_outbox")
    return [str(one) for one, _, _ in rows]


def ask(alias: str, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a SELECT on a context's database."""
    from django.db import connections

    with connections[alias].cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def forget_effects() -> None:
    """Empty the reader's inbox and effects."""
    from django.db import connections

    from fissile.data.guard import writing

    with writing(READER), connections[READER].cursor() as cursor:
        cursor.execute("TRUNCATE bff_inbox, bff_position, bff_bench_effect, bff_bench_seen")


def effects_in_table() -> list[str]:
    """Return the message id of each effect that was committed."""
    return [str(row[0]) for row in ask(READER, "SELECT message FROM bff_bench_effect ORDER BY seq")]


def queue_length() -> int:
    """Return the messages of the queue that nobody has taken."""
    from fissile.events.bus import topology

    with topology.connect(keeper()) as connection, connection.channel() as channel:
        return int(channel.queue_declare(QUEUE, passive=True).message_count)


def heard_of(deliveries: Sequence[Any]) -> list[tuple[str, str, int]]:
    """Return (id, aggregate, version) of deliveries."""
    from fissile.messages import decode_envelope

    envelopes = [decode_envelope(one.body, one.content_type) for one in deliveries]
    return [(str(one.id), one.subject, one.aggregateversion) for one in envelopes]


def circumstances() -> dict[str, Any]:
    """Return machine, servers and libraries, as a result file tells of them."""
    names = ("server_version", "fsync", "synchronous_commit")
    postgres = {name: ask(SOURCE, f"SHOW {name}")[0][0] for name in names}
    libraries = ("Django", "psycopg", "amqp", "kombu")
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "postgresql": postgres,
        "rabbitmq": _rabbitmq_version(),
        "libraries": {name: version(name) for name in libraries},
    }


def _rabbitmq_version() -> str:
    from fissile.events.bus import topology

    with topology.connect(keeper()) as connection:
        connection.ensure_connection(max_retries=1)
        return str(connection.connection.server_properties["version"])
