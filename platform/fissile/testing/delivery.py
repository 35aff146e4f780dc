"""Events on their whole way in the test's own process: outbox, relay, a bus of the test's own, inbox, handlers.

May touch: outboxes and inboxes of the installed contexts whose databases the test may use, and its bus. It
commits, as relay and inbox do: a test needs `django_db(transaction=True)`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import ExitStack

from django.db import connections
from django.test.testcases import DatabaseOperationForbidden  # type: ignore[attr-defined]  # the stubs do not know it

from fissile.contexts import Context, registry
from fissile.data.clock import Clock
from fissile.data.guard import writing
from fissile.events.consumers import Consumer
from fissile.events.lanes import lane_model_of
from fissile.events.outbox import outbox_of, publishing_contexts
from fissile.events.receivers import ear
from fissile.events.relay import RelayLoop
from fissile.events.stopping import Stopping
from fissile.messages import Command, Event, Reply

from . import broker
from .leftovers import leftovers
from .listeners import Listener, Shuffled, Twice

# More than a chain of events has links, and than a message that fails has attempts; a circle has no end.
ROUNDS = 50
_MOST_LINES = 10


class Unsettled(AssertionError):
    """Something would not settle. `left` says of each event what holds it up."""

    def __init__(self, what: str, left: list[str]) -> None:
        self.left = tuple(left)
        more = [f"and {len(left) - _MOST_LINES} more"] if len(left) > _MOST_LINES else []
        super().__init__("\n- ".join([what, *left[:_MOST_LINES], *more]))


class NothingCommits(RuntimeError):
    """Relay and inbox commit, and this test's transaction never does; mark it `django_db(transaction=True)`."""


def drain(*, rounds: int = ROUNDS) -> None:
    """Relay all that is pending and apply all that is delivered, commands and replies too, until nothing moves.

    What failed is retried at once instead of in a while. Raise Unsettled if an event
    is left, or parked, or if there are still new ones after so many rounds.
    """
    _settle(Listener, rounds, lambda listeners: None)


def deliver_twice(message: type[Event | Command | Reply] | None = None, *, rounds: int = ROUNDS) -> None:
    """Drain, and let every message come again: first as if its consumer had died, then as a repetition.

    Of messages with a handler, or of `message` alone, the first delivery ends after the handler ran and before
    the commit. What the handler did in its context's database is undone; what it did outside is done twice.
    """
    _settle(lambda one: Twice(one, message), rounds, lambda listeners: None)


def deliver_out_of_order(seed: int, *, rounds: int = ROUNDS) -> None:
    """Drain, and let what is pending come in an order that follows from the seed, one message at a time.

    Where one aggregate has several messages on the way, it is never the order in which they were recorded.
    """
    dice = random.Random(seed)  # noqa: S311 - for tests, not for secrets
    _settle(lambda one: Shuffled(one, dice), rounds, dice.shuffle)


def _settle(listen: Callable[[Consumer], Listener], rounds: int, arrange: Callable[[list[Listener]], object]) -> None:
    contexts = _open_contexts()
    broker.declare(contexts)
    publishing = [context.name for context in contexts if context.name in publishing_contexts()]
    with ExitStack() as stack:
        names = [name for context in contexts for name in context.ears]
        listeners = [stack.enter_context(listen(ear(name))) for name in names]
        for _ in range(rounds):
            arrange(listeners)
            moved = [_relay(name) for name in publishing] + [one.listen() for one in listeners]
            if broker.frozen_because():
                publishing = []  # one try; a broker that confirms nothing would take the same messages for ever
            # A list: everybody has a turn.
            if not any(moved) and not any([_hurry(name) for name in publishing] + [one.retry() for one in listeners]):
                break
        else:
            raise Unsettled(f"After {rounds} rounds there is still something new.", leftovers(contexts))
    if left := leftovers(contexts):
        raise Unsettled(f"{len(left)} event{'s' * (len(left) > 1)} would not settle.", left)


def _open_contexts() -> list[Context]:
    found = [context for context in registry.installed() if _is_open(context.name)]
    if not found:
        names = ", ".join(context.name for context in registry.installed())
        raise NothingCommits(f"This test may use the database of no context ({names}): name some in django_db().")
    for context in found:
        if connections[context.name].in_atomic_block:
            raise NothingCommits(f"{context.name}: {NothingCommits.__doc__}")
    return found


def _is_open(alias: str) -> bool:
    try:
        with connections[alias].cursor():
            return True
    except DatabaseOperationForbidden:
        return False


class _UntilIdle(Stopping):
    """Asks itself to stop as soon as somebody would wait for it."""

    def wait(self, timeout: float | None = None) -> bool:
        self.ask()
        return True

    def fileno(self) -> int:
        self.ask()
        return super().fileno()


def _relay(context: str) -> bool:
    waiting = outbox_of(context)._default_manager.using(context).filter(sent_at=None, parked_at=None)
    if not (before := waiting.count()):
        return False
    idle = _UntilIdle()
    try:
        RelayLoop(context, broker.url(), name="test").run(idle)
    finally:
        idle.close()
    return waiting.count() < before


def _hurry(context: str) -> bool:
    """End the back-off of what was refused, and the leases of relays that died; return whether there was any."""
    rows = outbox_of(context)._default_manager.using(context)
    leases = lane_model_of(context)._default_manager.using(context)
    with writing(context):
        refused = rows.filter(sent_at=None, parked_at=None, attempts__gt=0).update(next_at=Clock())
        died = leases.exclude(owner="").update(lease_until=Clock(), owner="", wanted_by="", wanted_until=None)
    return bool(refused or died)
