"""What is asked of a shop, written down before anybody asks: rounds of scripts of beats of steps. Pure.

A step names what an earlier answer said by its number (`{7.id}`), so one plan fits every cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_REFERENCE = re.compile(r"\{(\d+)\.(\w+)\}")
# Where an answer did not say what a later step needs: an id that nobody has, a token that is none.
SAID_NOTHING = "00000000-0000-7000-8000-000000000000"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One request. `token` and the strings of path, body and headers may refer to earlier answers."""

    number: int
    what: str
    method: str
    path: str
    who: int | None = None
    token: str | None = None
    body: Any = None
    raw: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return how a report names it: `dashboard of request 41 (GET /api/v1/dashboard, person 3)`."""
        person = "nobody" if self.who is None else f"person {self.who}"
        return f"{self.what} of request {self.number} ({self.method} {self.path}, {person})"


# Steps of one beat are sent at once and race; beats of one script follow each other; scripts of one
# round go side by side; between rounds the shop comes to rest.
Beat = tuple[Step, ...]
Script = tuple[Beat, ...]
Round = tuple[Script, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Every request of one run. `asleep`: workers are down during a round, so that no event arrives in it."""

    name: str
    seed: int
    rounds: tuple[Round, ...]
    asleep: bool = False

    def beats(self) -> Iterator[Beat]:
        """Yield every beat, in the order of numbers."""
        yield from (beat for each in self.rounds for script in each for beat in script)

    def steps(self) -> dict[int, Step]:
        """Return every step by its number."""
        return {step.number: step for beat in self.beats() for step in beat}


def filled(value: Any, said: Mapping[int, Any]) -> Any:
    """Return a path, body or header with references replaced by what the answers' bodies said."""
    if isinstance(value, str):
        return _REFERENCE.sub(lambda found: _said(said.get(int(found[1])), found[2]), value)
    if isinstance(value, Mapping):
        return {name: filled(item, said) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item, said) for item in value]
    return value


def _said(body: Any, name: str) -> str:
    found = body.get(name) if isinstance(body, Mapping) else None
    return SAID_NOTHING if found is None else str(found)


class Writer:
    """Writes a plan: `with writer.script():` collects steps, `end_round()` lets the shop come to rest."""

    def __init__(self) -> None:
        self.count = 0
        self._rounds: list[Round] = []
        self._scripts: list[Script] = []
        self._beats: list[Beat] = []

    def ask(self, what: str, method: str, path: str, **more: Any) -> int:
        """Add a step of its own to the script; return its number."""
        return self.race(what, method, path, 1, **more)[0]

    def race(self, what: str, method: str, path: str, times: int, **more: Any) -> list[int]:
        """Add the same step several times, to be sent at once; return the numbers."""
        numbers = [self.count + 1 + offset for offset in range(times)]
        self.count += times
        self._beats.append(
            tuple(Step(number=number, what=what, method=method, path=path, **more) for number in numbers)
        )
        return numbers

    def end_script(self) -> None:
        """The next step begins a script beside this one."""
        if self._beats:
            self._scripts.append(tuple(self._beats))
            self._beats = []

    def end_round(self) -> None:
        """The next step waits until the shop is at rest."""
        self.end_script()
        if self._scripts:
            self._rounds.append(tuple(self._scripts))
            self._scripts = []

    def plan(self, name: str, seed: int, *, asleep: bool = False) -> Plan:
        """Return all of it."""
        self.end_round()
        return Plan(name=name, seed=seed, rounds=tuple(self._rounds), asleep=asleep)
