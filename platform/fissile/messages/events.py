"""The base of every event: a fact in the past tense, with a version in its wire name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

_by_name: dict[str, type[Event]] = {}


@dataclass(frozen=True, kw_only=True)
class Event:
    """A fact about one aggregate.

    `name` is the wire name, `<context>.<fact>.v<n>`; `aggregate_type` and `key`
    together name the aggregate whose stream the event belongs to. Order matters
    within one aggregate only.
    """

    name: ClassVar[str]
    aggregate_type: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in vars(cls):
            _by_name[cls.name] = cls

    @property
    def key(self) -> str:
        """The aggregate's id as text."""
        raise NotImplementedError(f"{type(self).__name__} must say which aggregate it is about")

    @property
    def aggregate(self) -> str:
        """The aggregate as it stands in outbox and inbox: `<type>/<key>`."""
        return f"{self.aggregate_type}/{self.key}"

    @property
    def context(self) -> str:
        """The context that owns and publishes this event."""
        return self.name.split(".", 1)[0]


def event_class(name: str) -> type[Event] | None:
    """Return the class of a wire name, or None if no imported contract has it."""
    return _by_name.get(name)
