"""The broker of one test: an embedded bus in a file of its own, and a way to freeze whatever broker there is.

May touch: that file, and the `send` of the two publishers while a block runs. Production code has no branch for it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fissile.contexts import Context
from fissile.events import bus
from fissile.events.bus.amqp import AmqpPublisher
from fissile.events.bus.publishing import EmbeddedPublisher

_Send = Callable[..., None]

# Stands for consumers in other processes, so that events which nobody here hears leave the outbox, too.
_ELSEWHERE = "elsewhere"

_folder: Path | None = None
_frozen: list[str] = []


def url() -> str:
    """Return the address of this test's bus; made at the first call after `forget`, whatever the tier is.

    A private one, because a bus of the settings may be a running shop's: its workers
    would take the test's messages, and the test theirs.
    """
    global _folder
    if _folder is None:
        _folder = Path(tempfile.mkdtemp(prefix="fissile-bus-"))
    return f"sqlitebus:///{_folder}/bus.sqlite3"


def forget() -> None:
    """Drop the bus with all that is on it. The pytest plugin does it after each test."""
    global _folder
    if _folder is not None:
        shutil.rmtree(_folder, ignore_errors=True)
    _folder = None


def declare(contexts: Iterable[Context]) -> None:
    """Declare on the test's bus what these contexts publish to and consume from."""
    topology = bus.topology_of(contexts)
    elsewhere = tuple((f"{_ELSEWHERE}.{name}", name) for name in topology.exchanges)
    bus.declare(url(), topology.exchanges, (*topology.queues, *elsewhere))


def frozen_because() -> str:
    """Return why nothing is published just now; '' if the broker is well."""
    return _frozen[-1] if _frozen else ""


@contextmanager
def frozen_broker(*, takes: bool = False) -> Iterator[None]:
    """Let no publisher of this process get through while the block runs, on either broker.

    Writes succeed all the same, and their events wait in the outbox. With `takes` the
    broker takes each message and never confirms it, so the relay sends it again.
    """
    reason = "the broker takes messages and confirms none" if takes else "the broker takes nothing"
    _frozen.append(f"{reason} (frozen_broker)")
    with ExitStack() as thawed:
        thawed.callback(_frozen.pop)
        for publisher in (EmbeddedPublisher, AmqpPublisher):
            thawed.callback(setattr, publisher, "send", publisher.send)
            publisher.send = _freeze(publisher.send, takes)  # type: ignore[method-assign]
        yield


def _freeze(send: _Send, takes: bool) -> _Send:
    def frozen(self: bus.Publisher, messages: Iterable[bus.Outgoing], *, deadline_seconds: float) -> None:
        if takes:
            send(self, messages, deadline_seconds=deadline_seconds)
            # So that it has them before the connection goes.
            self.verdicts(deadline_seconds=deadline_seconds)
        raise bus.PublishBroken(frozen_because(), bus.Verdicts())

    return frozen
