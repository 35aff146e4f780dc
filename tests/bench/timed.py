"""Rounds that time commits: latency to the committed effect, and what the wake-up costs a writer.

May touch: the ground; orders and their outbox, through units of work.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import amqp
import psycopg

from fissile.events.bus import topology

from . import ground
from .counting import ensure_empty, ensure_same, percentile, wait_for
from .measures import Bench, Figures, ensure_effects
from .worker import Worker, working
from .writing import steadily, truncate_orders, write

CONNECTIONS = 16
# Of each kind of writer in each round.
SLICE_SECONDS = 2.0


def latency(bench: Bench) -> Figures:
    """Commit → effect, loops apart and in one process, beside publish → callback."""
    with working("bench-consumer") as other:
        return bench.in_turn(
            {
                "apart": lambda: _commit_to_effect(bench, "apart", bench.worker, other),
                "together": lambda: _commit_to_effect(bench, "together", bench.worker, bench.worker),
                "broker": lambda: _publish_to_callback(bench),
            }
        )


def _commit_to_effect(bench: Bench, who: str, relaying: Worker, consuming: Worker) -> Figures:
    ground.forget_effects()
    truncate_orders()
    if relaying is consuming:
        relaying.begin("serve", loops=["relay", "consume"])
    else:
        relaying.begin("serve", loops=["relay"], profile=bench.profile is not None)
        consuming.begin("serve", loops=["consume"], profile=bench.profile is not None)
    # The first goes alone: it wakes both loops, and connects them.
    first = write(bench.attached.event)
    wait_for(lambda: len(ground.effects_in_table()) == 1)
    committed: dict[str, float] = {}
    for _ in steadily(bench.messages):
        aggregate = write(bench.attached.event)
        committed[str(aggregate)] = time.time()
    wait_for(lambda: len(ground.effects_in_table()) == bench.messages + 1)
    told = {"consumer": consuming.do("stop")}
    if relaying is not consuming:
        told["relay"] = relaying.do("stop")
        if bench.profile is not None:
            bench.profile |= {name: one["profile"] for name, one in sorted(told.items(), reverse=True)}
    effects = dict(told["consumer"]["effects"])
    rows = ground.ask(ground.SOURCE, "SELECT id, aggregate, extract(epoch FROM sent_at) FROM orders_outbox")
    ensure_empty(ground.ask(ground.SOURCE, "SELECT count(*) FROM orders_outbox WHERE sent_at IS NULL")[0][0], "unsent")
    ensure_effects([str(one) for one, _, _ in rows], "latency")
    ids = {aggregate.partition("/")[2]: (str(one), float(sent)) for one, aggregate, sent in rows}
    ensure_same([str(first), *committed], ids, "latency: events")
    marked = sorted(ids[key][1] - at for key, at in committed.items())
    spans = _told(who, [effects[ids[key][0]] - at for key, at in committed.items()])
    return spans | {f"{who}, marked p50": percentile(marked, 0.5) * 1_000}


def _publish_to_callback(bench: Bench) -> Figures:
    messages = ground.outgoing(bench.messages, bench.seed)
    bench.worker.begin("hear")
    published: dict[str, float] = {}
    with topology.connect(ground.keeper()) as connection, connection.channel() as channel:
        wait_for(lambda: channel.queue_declare(ground.QUEUE, passive=True).consumer_count == 1)
        for message in steadily(messages):
            published[message.id] = time.time()
            body = amqp.Message(message.body, delivery_mode=2, message_id=message.id)
            channel.basic_publish(body, ground.SOURCE, message.routing_key, mandatory=True)
        # A queue counts what is on its way only until it is acknowledged.
        wait_for(lambda: ground.queue_length() == 0)
    heard = bench.worker.do("stop")["effects"]
    ensure_same(published, (one for one, _ in heard), "latency: broker alone")
    at = dict(heard)
    return _told("broker", [at[one] - sent for one, sent in published.items()])


def _told(who: str, seconds: list[float]) -> Figures:
    spans = sorted(one * 1_000 for one in seconds)
    return {f"{who} p50": percentile(spans, 0.5), f"{who} p99": percentile(spans, 0.99)}


def wakeup(bench: Bench) -> Figures:
    """Commits per second with the wake-up, without it, and with NOTIFY in the transaction."""
    from fissile.data import unit_of_work

    once = partial(write, bench.attached.event)
    append = unit_of_work.outbox

    def without() -> float:
        with _hooks(unit_of_work.after_commit, []):
            return _commits(once)

    def in_transaction() -> float:
        with _hooks(append, [*append, _notify]):
            return without()

    return bench.in_turn(
        {
            "on": lambda: {"on": _commits(once)},
            "off": lambda: {"off": without()},
            "in transaction": lambda: {"in transaction": in_transaction()},
        }
    )


@contextmanager
def _hooks(of: list[Any], wanted: list[Any]) -> Iterator[None]:
    """Hang `wanted` into the unit of work in the place of what is there."""
    there = of[:]
    of[:] = wanted
    try:
        yield
    finally:
        of[:] = there


def _notify(_: object, __: int, alias: str) -> None:
    from django.db import connections

    from fissile.events.wakeup import channel_of

    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [channel_of(alias)])


def _commits(once: Callable[[], object]) -> float:
    """Return the commits per second of 16 threads, each with a connection; raise Difference if rows say otherwise."""
    truncate_orders()
    with _listening():
        start, ends = threading.Barrier(CONNECTIONS + 1), threading.Event()
        done = [0] * CONNECTIONS
        threads = [
            threading.Thread(target=_write_until, args=(once, start, ends, done, number))
            for number in range(CONNECTIONS)
        ]
        for thread in threads:
            thread.start()
        start.wait()
        began = time.perf_counter()
        ends.wait(SLICE_SECONDS)
        ends.set()
        for thread in threads:
            thread.join()
        took = time.perf_counter() - began
    ensure_rows(sum(done) + CONNECTIONS)
    return sum(done) / took


def ensure_rows(commits: int) -> None:
    """Raise Difference unless the outbox has a row for each commit, and no other."""
    rows = ground.ask(ground.SOURCE, "SELECT count(*) FROM orders_outbox")[0][0]
    ensure_empty(abs(rows - commits), "wakeup: outbox rows that no commit tells of, or commits without one")


def _write_until(
    once: Callable[[], object], start: threading.Barrier, ends: threading.Event, done: list[int], number: int
) -> None:
    from django.db import connections

    try:
        try:
            once()  # connects
        except BaseException:
            start.abort()
            raise
        start.wait()
        while not ends.is_set():
            once()
            done[number] += 1
    finally:
        connections.close_all()


@contextmanager
def _listening() -> Iterator[None]:
    """Hold a connection that listens, as a relay does, and drops what it hears."""
    from django.db import connections

    from fissile.events.wakeup import channel_of

    parameters = connections[ground.SOURCE].get_connection_params()
    wanted = {name: parameters[name] for name in ("host", "port", "user", "password", "dbname")}
    with psycopg.connect(**wanted, autocommit=True) as listener:
        listener.execute(f'LISTEN "{channel_of(ground.SOURCE)}"')
        done = threading.Event()

        def hear() -> None:
            while not done.is_set():
                for _ in listener.notifies(timeout=0.1):
                    pass

        thread = threading.Thread(target=hear)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
