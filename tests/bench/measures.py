"""One round of each row of the table: every variant once, in this order or the other, then the counts.

May touch: the ground. A variant's figure is worth nothing unless its counts add up: then Difference is raised.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import clients, ground, task_per_event
from .counting import Difference, ensure_empty, ensure_in_order, ensure_same, percentile, wait_for
from .worker import Worker
from .writing import Live, truncate_orders

Figures = dict[str, float]
# One at a time is slow, and just as steady over fewer messages.
PEER_SHARE = 5
# So that the writer is done well before the backlog is.
ROWS_A_LIVE_WRITE = 250


@dataclass(kw_only=True)
class Bench:
    """What a round may use: the worker, the event's class, how many messages, and a seed of the round's own."""

    worker: Worker
    attached: ground.Attached
    messages: int
    seed: int
    profile: dict[str, Any] | None = None

    def in_turn(self, variants: Mapping[str, Callable[[], Figures]]) -> Figures:
        """Run the variants, in another order each round; return all their figures."""
        names = list(variants)
        random.Random(self.seed).shuffle(names)
        found: Figures = {}
        for name in names:
            found |= variants[name]()
        return {key: found[key] for key in sorted(found)}


def relay(bench: Bench) -> Figures:
    """Outbox → queue, beside three publishers without an outbox."""
    few = max(1, bench.messages // PEER_SHARE)
    return bench.in_turn(
        {
            "limit": lambda: {"limit": _published(clients.publish_raw, bench.messages, bench.seed)},
            "py-amqp": lambda: {"py-amqp": _published(clients.publish_pipelined, bench.messages, bench.seed)},
            "fissile": lambda: {"fissile": _relayed(bench)},
            "peer": lambda: {"peer": _published(clients.publish_one_by_one, few, bench.seed)},
            "task per event": lambda: {"task per event": _by_tasks(max(1, few // PEER_SHARE), bench.seed)},
        }
    )


def _published(publish: Callable[[str, str, Sequence[Any]], float], count: int, seed: int) -> float:
    messages = ground.outgoing(count, seed)
    took = publish(ground.keeper(), ground.SOURCE, messages)
    ensure_in_queue([one.id for one in messages], publish.__name__)
    return count / took


def ensure_in_queue(expected: Sequence[str], where: str, *, in_order: bool = True) -> None:
    """Raise Difference unless the queue has each message once, and in order if that is promised; empty it."""
    heard = ground.heard_of(clients.drain(ground.keeper(), ground.QUEUE, len(expected)))
    ensure_same(expected, (one for one, _, _ in heard), f"{where}: queue")
    if in_order:
        ensure_in_order(((aggregate, version) for _, aggregate, version in heard), f"{where}: queue")


def _by_tasks(count: int, seed: int) -> float:
    ids = ground.fill_outbox(count, seed)
    with task_per_event.working():
        task_per_event.tell(ids)
        wait_for(lambda: not ground.ask(ground.SOURCE, "SELECT 1 FROM orders_outbox WHERE sent_at IS NULL LIMIT 1"))
    times = ground.ask(ground.SOURCE, "SELECT extract(epoch FROM sent_at) FROM orders_outbox ORDER BY sent_at")
    ensure_in_queue(ids, "task per event", in_order=False)
    # From the first that was marked: starting the worker is not counted.
    return (count - 1) / float(times[-1][0] - times[0][0])


def _relayed(bench: Bench) -> float:
    began, times, _ = relay_backlog(bench)
    return bench.messages / (times[-1] - began)


def relay_backlog(bench: Bench, live: Live | None = None) -> tuple[float, list[float], list[tuple[float, int]]]:
    """Have the worker relay a fresh backlog, beside a writer; return when it began, when each row was sent, its memory.

    Memory is in KiB, by time.
    """
    ids = ground.fill_outbox(bench.messages, bench.seed)
    if live is not None:
        live.start()
    rows = bench.messages + (live.writes if live else 0)
    told = bench.worker.do("relay", rows=rows, profile=bench.profile is not None)
    if live is not None:
        ids += live.join()
    if bench.profile is not None:
        bench.profile["relay"] = told["profile"]
    left = ground.ask(ground.SOURCE, "SELECT count(*) FROM orders_outbox WHERE sent_at IS NULL")
    ensure_empty(left[0][0], "relay: unsent rows")
    sent = ground.ask(ground.SOURCE, "SELECT id, extract(epoch FROM sent_at) FROM orders_outbox ORDER BY sent_at")
    ensure_same(ids, (str(row[0]) for row in sent), "relay: rows marked as sent")
    ensure_in_queue(ids, "relay")
    return told["began"], [float(row[1]) for row in sent], [tuple(one) for one in told["memory"]]


def backlog(bench: Bench) -> Figures:
    """Drain one long backlog: rates of its first and last tenth, memory after the first and at most, live commits."""
    writes = max(10, bench.messages // ROWS_A_LIVE_WRITE)
    quiet = _beside_an_idle_relay(bench, writes)
    live = Live(bench.attached.event, writes)
    _, times, memory = relay_backlog(bench, live)
    tenth = len(times) // 10
    early = [kib for at, kib in memory if at <= times[tenth]]
    return {
        "first tenth": tenth / (times[tenth] - times[0]),
        "last tenth": tenth / (times[-1] - times[-1 - tenth]),
        "memory first": (early or [memory[0][1]])[-1] / 1024,
        "memory most": max(kib for _, kib in memory) / 1024,
        "commit p50, idle": percentile(sorted(quiet), 0.5) * 1_000,
        "commit p99, idle": percentile(sorted(quiet), 0.99) * 1_000,
        "commit p50, draining": percentile(sorted(live.seconds), 0.5) * 1_000,
        "commit p99, draining": percentile(sorted(live.seconds), 0.99) * 1_000,
    }


def _beside_an_idle_relay(bench: Bench, writes: int) -> list[float]:
    """Return the seconds of the same commits while the relay has nothing but them."""
    truncate_orders()
    bench.worker.begin("serve", loops=["relay"])
    live = Live(bench.attached.event, writes)
    live.start()
    ids = live.join()
    wait_for(lambda: not ground.ask(ground.SOURCE, "SELECT 1 FROM orders_outbox WHERE sent_at IS NULL LIMIT 1"))
    bench.worker.do("stop")
    ensure_in_queue(ids, "backlog, idle")
    return live.seconds


def inbox(bench: Bench) -> Figures:
    """Queue → effect, beside a consumer that does nothing and one with a transaction per message."""
    return bench.in_turn(
        {
            "limit": lambda: {"limit": _only_acknowledged(bench)},
            "fissile": lambda: {"fissile": _applied(bench)},
            "bare handler": lambda: {"bare handler": _applied(bench, bare=True)},
            "peer": lambda: {"peer": _one_per_transaction(bench)},
        }
    )


def _fill_queue(count: int, seed: int) -> tuple[list[str], int]:
    """Publish with duplicates; return the ids, and how many messages that were."""
    messages = ground.outgoing(count, seed)
    mixed = with_duplicates(messages, seed)
    clients.publish_raw(ground.keeper(), ground.SOURCE, mixed)
    ground.forget_effects()
    return [one.id for one in messages], len(mixed)


def with_duplicates(messages: Sequence[Any], seed: int) -> list[Any]:
    """Return the messages with one in ten once more, up to 100 places behind its first copy."""
    dice = random.Random(seed)
    places = [(float(number), one) for number, one in enumerate(messages)]
    again = dice.sample(range(len(messages)), len(messages) // 10)
    places += [(number + 0.5 + dice.randrange(100), messages[number]) for number in again]
    return [one for _, one in sorted(places, key=lambda place: place[0])]


def _only_acknowledged(bench: Bench) -> float:
    ids, count = _fill_queue(bench.messages, bench.seed)
    took, heard = clients.consume_and_ack(ground.keeper(), ground.QUEUE, count)
    ensure_empty(len(heard) - count, "limit: messages beyond those published")
    ensure_same(ids, set(heard), "limit: heard")
    ensure_empty(ground.queue_length(), "limit: queue")
    return count / took


def _applied(bench: Bench, *, bare: bool = False) -> float:
    ids, count = _fill_queue(bench.messages, bench.seed)
    told = bench.worker.do("consume", messages=count, bare=bare, profile=bench.profile is not None)
    if bench.profile is not None and not bare:
        bench.profile["consumer"] = told["profile"]
    if told["counts"] != {"handled": len(ids), "duplicate": count - len(ids)}:
        raise Difference(f"inbox: {told['counts']} of {len(ids)} messages and {count - len(ids)} duplicates")
    applied = ground.ask(ground.READER, "SELECT message_id FROM bff_inbox WHERE state = 'applied'")
    ensure_same(ids, (str(row[0]) for row in applied), "inbox: applied rows")
    ensure_effects([] if bare else ids, "inbox")
    return count / float(told["seconds"])


def ensure_effects(ids: Sequence[str], where: str) -> None:
    """Raise Difference unless each message had its effect once, and nothing is left in the queue."""
    ensure_same(ids, ground.effects_in_table(), f"{where}: effects")
    ensure_empty(ground.queue_length(), f"{where}: queue")


def _one_per_transaction(bench: Bench) -> float:
    from django.db import connections, transaction

    from fissile.data.guard import writing
    from fissile.events import bus

    ids, count = _fill_queue(max(10, bench.messages // PEER_SHARE), bench.seed)
    alias = ground.READER
    consumer, taken = bus.open_consumer(ground.keeper(), ground.QUEUE, 100), 0
    seen = "INSERT INTO bff_bench_seen (message) VALUES (%s) ON CONFLICT DO NOTHING"
    began = time.perf_counter()
    while taken < count:
        for delivery in consumer.receive(5.0, 1):
            with writing(alias), transaction.atomic(using=alias), connections[alias].cursor() as cursor:
                cursor.execute(seen, [delivery.message_id])
                if cursor.rowcount:
                    cursor.execute("INSERT INTO bff_bench_effect (message) VALUES (%s)", [delivery.message_id])
            consumer.ack([delivery])
            taken += 1
    took = time.perf_counter() - began
    consumer.close()
    ensure_effects(ids, "peer")
    return count / took
