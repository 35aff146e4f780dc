"""The declaration a context makes about itself, in its `context.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Context:
    """One bounded context.

    `name` is app label, database alias, queue prefix and role in one. `offers`
    maps each facade function to the contexts that may call it; `asks` lists what
    this context calls, as `<context>.<function>`; `publishes` and `consumes` are
    wire names of events. `takes` maps each command this context carries out to the
    contexts that may send it; `sends` lists the commands it sends to others, and
    `requests` those of them that are answered.
    """

    name: str
    package: str
    publishes: tuple[str, ...] = ()
    consumes: tuple[str, ...] = ()
    offers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    asks: tuple[str, ...] = ()
    takes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sends: tuple[str, ...] = ()
    requests: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The contexts whose events this one consumes, sorted."""
        return tuple(sorted({event.split(".", 1)[0] for event in self.consumes}))

    @property
    def consumers(self) -> tuple[str, ...]:
        """The names of this context's consumers, one per source: `<context>.<source>`."""
        return tuple(f"{self.name}.{source}" for source in self.sources)

    @property
    def neighbours(self) -> tuple[str, ...]:
        """The contexts this one calls, sorted."""
        return tuple(sorted({wish.split(".", 1)[0] for wish in self.asks}))

    @property
    def recipients(self) -> tuple[str, ...]:
        """The contexts to which this one has something to say alone: commands, or replies to theirs; sorted."""
        takers = {command.split(".", 1)[0] for command in (*self.sends, *self.requests)}
        return tuple(sorted(takers.union(*self.takes.values())))

    @property
    def correspondents(self) -> tuple[str, ...]:
        """The contexts that have something to say to this one alone: commands, or replies to ours; sorted."""
        answering = {command.split(".", 1)[0] for command in self.requests}
        return tuple(sorted(answering.union(*self.takes.values())))

    @property
    def exchanges(self) -> tuple[str, ...]:
        """The exchanges this context owns: one for all who listen, and one for each recipient."""
        own = (self.name,) if self.publishes else ()
        return (*own, *(directed_exchange(self.name, other) for other in self.recipients))

    @property
    def receivers(self) -> tuple[str, ...]:
        """The names of this context's receivers, one per correspondent: `<context>.from-<correspondent>`."""
        return tuple(receiver_name(self.name, sender) for sender in self.correspondents)

    @property
    def ears(self) -> tuple[str, ...]:
        """The names of all that receives messages here: consumers, then receivers. Each has a queue of its name."""
        return (*self.consumers, *self.receivers)

    @property
    def tells(self) -> bool:
        """True if this context says anything, to all or to one: then it has an outbox and a relay."""
        return bool(self.exchanges)


def receiver_name(context: str, sender: str) -> str:
    """Return the name of a context's receiver, and of its queue, for what `sender` says to it alone."""
    return f"{context}.from-{sender}"


def directed_exchange(sender: str, context: str) -> str:
    """Return the exchange of `sender` from which only `context` hears."""
    return f"{sender}.to-{context}"
