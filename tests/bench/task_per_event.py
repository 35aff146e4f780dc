"""A peer of the relay: no relay, but a Celery task for each event, which publishes it and marks its row.

`python -m celery -A tests.bench.task_per_event worker` is its worker, set up to lose nothing: late
acknowledgement, also of a task whose process died (T16). It promises no order.
May touch: the ground, a queue of tasks of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import kombu
from celery import Celery

from fissile.events.bus import topology
from tests.house import ROOT

from . import ground

TASKS, NAME = "bench.tasks", "bench-tasks"
PROCESSES = 2
_START_SECONDS = 60.0

app = Celery(NAME)
# Both, for these two come before the house's own address in the environment.
_broker = ground.keeper() if os.environ.get("SERVICES_DIR") else "memory://"
app.conf.update(
    broker_read_url=_broker, broker_write_url=_broker,
    task_default_queue=TASKS, task_ignore_result=True, task_acks_late=True, task_reject_on_worker_lost=True,
    worker_hijack_root_logger=False, broker_connection_retry_on_startup=True,
)  # fmt: skip


@app.task(name="bench.publish_event")
def publish_event(message_id: str) -> None:
    """Publish one event with a confirm and mark its row, in one transaction on the row."""
    from django.db import transaction

    from fissile.data.clock import Clock
    from fissile.data.guard import writing
    from fissile.events.outbox import outbox_of
    from fissile.messages import Envelope, encode_envelope
    from fissile.messages.envelope import CONTENT_TYPE

    rows = outbox_of(ground.SOURCE)._default_manager.using(ground.SOURCE).filter(sent_at__isnull=True)
    with writing(ground.SOURCE), transaction.atomic(using=ground.SOURCE):
        row = rows.select_for_update().get(id=message_id)
        envelope = Envelope(
            id=row.id, source=ground.SOURCE, type=row.type, subject=row.aggregate, aggregateversion=row.version,
            time=row.recorded_at, correlationid=row.headers["correlationid"], data=row.payload,
        )  # fmt: skip
        _producer().publish(
            encode_envelope(envelope), routing_key=row.type, content_type=CONTENT_TYPE, content_encoding="utf-8",
            message_id=message_id, delivery_mode=2, mandatory=True,
        )  # fmt: skip
        rows.filter(id=message_id).update(sent_at=Clock())


@cache
def _producer() -> kombu.Producer:
    """Return this process's producer; the process has been forked by the time it is first used."""
    connection = topology.connect(ground.keeper(), confirm_publish=True)
    return kombu.Producer(connection.channel(), topology.exchange(ground.SOURCE), auto_declare=False)


def tell(message_ids: Sequence[str]) -> None:
    """Send a task for each event."""
    with app.connection_for_write() as connection, connection.Producer() as producer:
        for one in message_ids:
            publish_event.apply_async((one,), producer=producer)


@contextmanager
def working() -> Iterator[None]:
    """Run the worker, and its processes, until the block ends; it takes tasks when the block begins."""
    words = ["worker", "-c", str(PROCESSES), "-P", "prefork", "-l", "warning", "--without-gossip", "--without-mingle"]
    command = [sys.executable, "-m", "celery", "-A", "tests.bench.task_per_event", *words]
    log = ROOT / ".run" / "bench" / f"{NAME}.log"
    environment = {**os.environ, "PROCESS_NAME": NAME}
    with (
        log.open("wb") as out,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT) as process,
    ):
        try:
            _wait_for_it(process)
            yield
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for_it(process: subprocess.Popen[Any]) -> None:
    ends = time.monotonic() + _START_SECONDS
    with topology.connect(ground.keeper()) as connection:
        while True:
            with connection.channel() as channel:
                queue = kombu.Queue(TASKS, kombu.Exchange(TASKS), routing_key=TASKS, durable=True)
                if queue(channel).queue_declare().consumer_count:
                    return
            if process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError("the task worker did not start; its last words are in .run/bench/bench-tasks.log")
            time.sleep(0.2)


if os.environ.get("PROCESS_NAME") == NAME:
    ground.attach()
