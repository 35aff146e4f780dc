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
    wire names of events.
    """

    name: str
    package: str
    publishes: tuple[str, ...] = ()
    consumes: tuple[str, ...] = ()
    offers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    asks: tuple[str, ...] = ()

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
