"""What one account may try on another's part of the broker, over AMQP and past the library: every operation there is.

May touch: the broker it is let into. What is harmless comes first, so whoever stops at a success has broken nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from operator import methodcaller as call
from typing import Any
from urllib.parse import unquote, urlsplit

import amqp
from amqp.exceptions import AccessRefused, AMQPError

from deploy.local.house import operations_owner
from fissile.contexts import Context
from fissile.events import bus
from fissile.events.bus.topology import WHOLE_STREAM, dead_letters_of
from settings.roles import celery_names

Try = Callable[[amqp.Channel], object]


@dataclass(frozen=True, kw_only=True)
class Belongings:
    """Names on the broker that are one account's own."""

    exchanges: tuple[str, ...]
    queues: tuple[str, ...]


def belongings(context: Context) -> Belongings:
    """Return what a context has on the broker, its dead letters included."""
    topology = bus.topology_of([context])
    queues = [name for name, _ in topology.queues]
    nets = list(dict.fromkeys(map(dead_letters_of, queues)))
    return Belongings(exchanges=(*topology.exchanges, *nets), queues=(*queues, *nets))


def belongings_of_role(role: str) -> Belongings:
    """Return what Celery of a process of this role has there."""
    tasks, events = celery_names(role)
    return Belongings(exchanges=(tasks, events), queues=(tasks,))


def connection_to(url: str, vhost: str | None = None) -> amqp.Connection:
    """Return an open connection of the account in a broker's address; `vhost`: another one than it names."""
    place = urlsplit(url)
    made = amqp.Connection(
        f"{place.hostname}:{place.port}",
        userid=unquote(place.username or ""),
        password=unquote(place.password or ""),
        virtual_host=vhost or place.path[1:],
        connect_timeout=5,
        read_timeout=10,
    )
    try:
        made.connect()
    except AMQPError:
        made.collect()  # a refused one leaves its socket open
        raise
    return made


def pairs(
    contexts: Iterable[Context], roles: Iterable[str]
) -> Iterator[tuple[str, Belongings, Belongings, frozenset[str]]]:
    """Yield (account, its own, what is foreign to it, the exchanges it may bind to), for contexts and processes."""
    known = {context.name: context for context in contexts}
    owned = {name: belongings(context) for name, context in known.items()}
    owned |= {operations_owner(role): belongings_of_role(role) for role in roles}
    for account, other in permutations(owned, 2):
        # A process that holds one context has a task queue that bears the context's name: they are one service.
        if operations_owner(account) != other and account != operations_owner(other):
            heard = bus.topology_of([known[account]]).queues if account in known else ()
            yield account, owned[account], owned[other], frozenset(exchange for _, exchange in heard)


def tries(own: Belongings, foreign: Belongings, *, heard: frozenset[str]) -> Iterator[tuple[str, str, Try]]:
    """Yield (what, on which name, how): all that an account could do to what is not its own.

    `heard`: what it declares to consume from, or what speaks to it alone, so binding to those is no trespass.
    """
    for name in foreign.exchanges:
        yield from _on_exchange(name, own, may_listen=name in heard)
    for name in foreign.queues:
        yield from _on_queue(name, own)


def _on_exchange(name: str, own: Belongings, *, may_listen: bool) -> Iterator[tuple[str, str, Try]]:
    yield "declare the exchange", name, call("exchange_declare", name, "topic", durable=True, auto_delete=False)
    for queue in own.queues[:1]:
        if not may_listen:
            yield "unbind a queue of its own from", name, call("queue_unbind", queue, name, WHOLE_STREAM)
            yield "bind a queue of its own to", name, call("queue_bind", queue, name, WHOLE_STREAM)
        dying = {"durable": True, "auto_delete": False, "arguments": {"x-dead-letter-exchange": name}}
        yield "let a queue of its own die into", name, call("queue_declare", f"{queue}.trespass", **dying)
    for exchange in own.exchanges[:1]:
        if not may_listen:
            yield "bind its own exchange to", name, call("exchange_bind", exchange, name, WHOLE_STREAM)
        yield "feed with its own exchange", name, call("exchange_bind", name, exchange, WHOLE_STREAM)
    yield "publish to", name, partial(_publish, exchange=name, routing_key="trespass")
    yield "delete the exchange", name, call("exchange_delete", name)


def _on_queue(name: str, own: Belongings) -> Iterator[tuple[str, str, Try]]:
    quorum = {"durable": True, "auto_delete": False, "arguments": {"x-queue-type": "quorum"}}
    yield "declare the queue", name, call("queue_declare", name, **quorum)
    for exchange in own.exchanges[:1]:
        yield "bind to its own exchange", name, call("queue_bind", name, exchange, "trespass")
        yield "unbind from its own exchange", name, call("queue_unbind", name, exchange, "trespass")
    yield "consume from", name, call("basic_consume", name)
    yield "get from", name, call("basic_get", name)
    yield "publish past the exchanges to", name, partial(_publish, exchange="", routing_key=name)
    yield "purge", name, call("queue_purge", name)
    yield "delete the queue", name, call("queue_delete", name)


def _publish(channel: amqp.Channel, *, exchange: str, routing_key: str) -> None:
    channel.confirm_select()
    # Waits for the broker's answer, which is a confirm or the end of the channel.
    channel.basic_publish_confirm(amqp.Message(b"{}"), exchange, routing_key)


def refusal(connection: amqp.Connection, attempt: Try) -> str | None:
    """Return the broker's words when it refuses (403), None when it does not; any other error is raised."""
    channel: Any = connection.channel()
    try:
        attempt(channel)
    except AccessRefused as refused:
        return str(refused.reply_text)
    finally:
        if channel.is_open:  # a refused one is closed already
            channel.close()
    return None
