"""What one run says that another does not, and which request it comes from. Pure."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.topologies.plan import Plan, Step
from tests.topologies.seen import NAMED, Seen

Part = Literal["answers", "events", "rows"]
PARTS: tuple[Part, ...] = ("answers", "events", "rows")
# Of one answer: whoever has read five knows which page to open.
MOST_PLACES = 5
NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class Place:
    """One value that differs: where it stands, what the reference has there, what the cut has."""

    where: str
    reference: str
    cut: str

    def __str__(self) -> str:
        """Return `status: 200 → 500`."""
        return f"{self.where}: {self.reference} → {self.cut}"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Something that differs between a cut and the reference, with the request it comes from."""

    part: Part
    what: str
    number: int | None
    places: tuple[Place, ...]

    def __str__(self) -> str:
        """Return one line: `dashboard of request 41 (…): status: 200 → 500`."""
        return f"{self.what}: {'; '.join(map(str, self.places))}"


@dataclass(kw_only=True)
class Comparison:
    """A cut held against the reference: how many things were compared, and what differs, in the order of requests."""

    reference: Seen
    cut: Seen
    compared: Mapping[Part, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    @property
    def is_same(self) -> bool:
        """True if nothing differs and the run came to its end."""
        return not self.differences and not self.cut.unrest

    def of(self, part: Part) -> list[Difference]:
        """Return the differences of answers, events or rows."""
        return [difference for difference in self.differences if difference.part == part]


def compare(plan: Plan, reference: Seen, cut: Seen) -> Comparison:
    """Hold a run against the reference run of the same plan."""
    steps = plan.steps()
    found = [*_answers(steps, reference, cut), *_events(steps, reference, cut), *_rows(steps, reference, cut)]
    # Answers first: they are what a person sees, and a row's request is only the one that named its youngest id.
    found.sort(key=lambda difference: (PARTS.index(difference.part), difference.number or 0, difference.what))
    compared: dict[Part, int] = {
        "answers": len(reference.answers),
        "events": sum(map(len, reference.events.values())),
        "rows": sum(map(len, reference.rows.values())),
    }
    return Comparison(reference=reference, cut=cut, compared=compared, differences=found)


def _answers(steps: Mapping[int, Step], reference: Seen, cut: Seen) -> Iterator[Difference]:
    for number in sorted(reference.answers.keys() | cut.answers.keys()):
        places = _places(reference.answers.get(number), cut.answers.get(number))
        if places:
            yield Difference(part="answers", what=str(steps[number]), number=number, places=places)


def _events(steps: Mapping[int, Step], reference: Seen, cut: Seen) -> Iterator[Difference]:
    for stream in sorted(reference.events.keys() | cut.events.keys()):
        ours, theirs = reference.events.get(stream, []), cut.events.get(stream, [])
        if ours != theirs:
            odd = next(pair for pair in _paired(ours, theirs) if pair[0] != pair[1])
            number = _behind(odd)
            what = f"events of {stream} after {_named(steps, number)}"
            places = _places(_numbered(ours), _numbered(theirs))
            yield Difference(part="events", what=what, number=number, places=places)


def _rows(steps: Mapping[int, Step], reference: Seen, cut: Seen) -> Iterator[Difference]:
    for table in sorted(reference.rows.keys() | cut.rows.keys()):
        ours, theirs = (Counter(map(_text, run.rows.get(table, []))) for run in (reference, cut))
        for pair in _by_ids((ours - theirs).elements(), (theirs - ours).elements()):
            number = _behind(pair)
            what = f"row of {table} after {_named(steps, number)}"
            yield Difference(part="rows", what=what, number=number, places=_places(*pair))


def _paired(ours: list[Any], theirs: list[Any]) -> Iterator[tuple[Any, Any]]:
    for index in range(max(len(ours), len(theirs))):
        yield ours[index] if index < len(ours) else None, theirs[index] if index < len(theirs) else None


def _by_ids(missing: Iterable[str], extra: Iterable[str]) -> Iterator[tuple[Any, Any]]:
    """Pair rows that name the same ids: they are about the same thing."""
    found: defaultdict[tuple[str, ...], tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
    for side, rows in enumerate((missing, extra)):
        for row in sorted(rows):
            found[tuple(sorted(set(NAMED.findall(row))))][side].append(json.loads(row))
    for ours, theirs in found.values():
        yield from _paired(ours, theirs)


def _numbered(events: list[Any]) -> dict[str, Any]:
    return {f"event {event['version']}": event for event in events}


def _behind(pair: tuple[Any, Any]) -> int | None:
    ours, theirs = pair
    return Seen.request_behind(theirs if ours is None else ours)


def _named(steps: Mapping[int, Step], number: int | None) -> str:
    return str(steps[number]) if number is not None and number in steps else "no request of ours"


def _places(ours: Any, theirs: Any) -> tuple[Place, ...]:
    return tuple(place for place, _ in zip(_walk(ours, theirs, ""), range(MOST_PLACES), strict=False))


def _walk(ours: Any, theirs: Any, where: str) -> Iterator[Place]:
    if ours == theirs:
        return
    if isinstance(ours, dict) and isinstance(theirs, dict):
        # The status says more than a header, and a header of the body's type more than the body.
        for name in sorted(ours.keys() | theirs.keys(), key=lambda name: (name != "status", name == "body", name)):
            yield from _walk(ours.get(name, NOTHING), theirs.get(name, NOTHING), f"{where}.{name}" if where else name)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _walk(one, other, f"{where}[{index}]")
    else:
        yield Place(where=where or "all of it", reference=_short(ours), cut=_short(theirs))


def _short(value: Any) -> str:
    text = NOTHING if value is None or value == NOTHING else _text(value)
    return text if len(text) <= 300 else f"{text[:300]}…"


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
