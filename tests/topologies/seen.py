"""One run made comparable: answers by number, events by stream, rows by table, with the request behind each. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from bff_app.management.shop import Reply
from tests.topologies import normalised
from tests.topologies.plan import Beat, Plan
from tests.topologies.playing import Record
from tests.topologies.stores import Row

_UNNAMED = re.compile(r"«([0-9a-f-]{36})»")
NAMED = re.compile(r"\bid-\d+(?:\.\d+)?\b")
_CORRELATION = re.compile(r"\bparity-(\d+)\b")
_TWIN = (409, "idempotency_key_in_use")


@dataclass(kw_only=True)
class Seen:
    """What one run answered (request → answer), published (stream → events) and kept (table → rows)."""

    name: str
    answers: dict[int, Any] = field(default_factory=dict)
    events: dict[str, list[Row]] = field(default_factory=dict)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    met: Counter[str] = field(default_factory=Counter)
    strange: list[str] = field(default_factory=list)
    unrest: str = ""
    asked_again: int = 0
    seconds: float = 0.0

    @staticmethod
    def request_behind(value: Any) -> int | None:
        """Return the request that a row or event comes from: its correlation id's, else that of its youngest id."""
        text = _text(value)
        if said := _CORRELATION.findall(text):
            return int(said[0])
        return max((int(name[3:].split(".")[0]) for name in NAMED.findall(text)), default=None)


def seen(plan: Plan, record: Record) -> Seen:
    """Return a record with every rule of `normalised` applied."""
    found = Seen(name=record.name, unrest=record.unrest, seconds=record.seconds, asked_again=len(record.asked_again))
    names: dict[str, str] = {}
    plain = normalised.Plain(
        began=record.began, ended=record.ended or datetime.now(UTC), name_of=lambda known: names[known],
        races={step.number: beat[0].number for beat in plan.beats() for step in beat},
        met=found.met, strange=found.strange,
    )  # fmt: skip
    for beat in plan.beats():
        _note_answers(found, beat, record.answers, plain, names)
    plain.name_of = lambda unknown: names.get(unknown, f"«{unknown}»")
    _note_tables(found, record.tables, plain)
    found.met["late"] = found.asked_again
    found.met["event"] = sum(map(len, found.events.values()))
    return found


# -- answers -------------------------------------------------------------------------------------------


def _note_answers(
    found: Seen, beat: Beat, answers: Mapping[int, Reply], plain: normalised.Plain, names: dict[str, str]
) -> None:
    number = beat[0].number
    replies = [answers[step.number] for step in beat if step.number in answers]
    if not replies:
        return

    def name_of(unknown: str) -> str:
        nonlocal named
        if unknown not in names:
            # By its request, not by a running number: an id that is there once too often must not rename all others.
            names[unknown] = f"id-{number}" if not named else f"id-{number}.{named}"
            named += 1
        return names[unknown]

    named, plain.name_of = 0, name_of
    if len(beat) == 1:
        found.answers[number] = _answer(replies[0], plain)
        return
    found.met["race"] += 1
    # The winner first, so that its ids are met first whoever it was.
    ordered = sorted(replies, key=_rank)
    found.answers[number] = _outcome([_answer(reply, plain) for reply in ordered], is_keyed=_has_key(beat))


def _has_key(beat: Beat) -> bool:
    return "idempotency-key" in beat[0].headers


def _rank(reply: Reply) -> tuple[bool, bool, bool, int]:
    is_twin = reply.status == _TWIN[0] and reply.body.get("code") == _TWIN[1]
    return is_twin, not 200 <= reply.status < 300, "idempotency-replayed" in reply.headers, reply.status


def _answer(reply: Reply, plain: normalised.Plain) -> dict[str, Any]:
    headers = {name: value for name, value in reply.headers.items() if name not in normalised.HEADERS_LEFT_OUT}
    return {"status": reply.status, "headers": plain(headers), "body": plain(reply.body)}


def _outcome(answers: list[dict[str, Any]], *, is_keyed: bool) -> dict[str, Any]:
    """Return a race's answers as a set; losers that may replay or be told to come back count as one kind."""
    winner, losers = answers[0], answers[1:]
    if is_keyed:
        losers = [loser for loser in losers if not _is_lawful_loser(loser, winner)]
        others = {"replays or in use": len(answers) - 1 - len(losers)}
    else:
        others = {}
    return {"race": {"winner": winner, **others, "losers": sorted(losers, key=_text)}}


def _is_lawful_loser(loser: dict[str, Any], winner: dict[str, Any]) -> bool:
    if (loser["status"], (loser["body"] or {}).get("code")) == _TWIN:
        return True
    replay = dict(loser["headers"])
    return replay.pop("idempotency-replayed", None) == "true" and (loser["status"], replay, loser["body"]) == (
        winner["status"], winner["headers"], winner["body"]
    )  # fmt: skip


# -- events and rows -----------------------------------------------------------------------------------


def _note_tables(found: Seen, tables: Mapping[str, list[Row]], plain: normalised.Plain) -> None:
    known = plain.name_of
    events = _event_names(tables, known)
    plain.name_of = lambda unknown: events.get(unknown) or known(unknown)
    rows = [
        (table, {column: plain(_as_number(value), column) for column, value in row.items()
                 if not normalised.column_is_left_out(table, column, value)})
        for table, all_rows in tables.items()
        for row in all_rows
    ]  # fmt: skip
    prints = _prints([f"{table} {_text(row)}" for table, row in rows])
    for table, row in rows:
        named = json.loads(_UNNAMED.sub(lambda unknown: f"id~{prints[unknown[1]]}", _text(row)))
        if table.endswith("_outbox"):
            stream = f"{table.removesuffix('_outbox')} {named.pop('aggregate')}"
            found.events.setdefault(stream, []).append(named)
        else:
            found.rows.setdefault(table, []).append(named)
    for events_of_one in found.events.values():
        events_of_one.sort(key=lambda event: int(event["version"]))
    for kept in found.rows.values():
        kept.sort(key=_text)


def _as_number(value: Any) -> Any:
    """Return a truth value as the number that SQLite keeps for it."""
    return int(value) if isinstance(value, bool) else value


def _event_names(tables: Mapping[str, list[Row]], known: Callable[[str], str]) -> dict[str, str]:
    """Return what each event's id becomes: aggregate and version say the same, and mean something."""
    names = {}
    for table, rows in tables.items():
        if table.endswith("_outbox"):
            for row in rows:
                kind, _, key = str(row["aggregate"]).partition("/")
                names[str(UUID(str(row["id"])))] = f"event {row['version']} of {kind}/{known(key)}"
    return names


def _prints(rows: Iterable[str]) -> dict[str, str]:
    """Return a print of each unnamed id: of the rows it stands in, and twice of what else stands there.

    Two ids with the same print are interchangeable: which of them is which changes nothing.
    """
    places: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        for unnamed in set(_UNNAMED.findall(row)):
            places[unnamed].append(row)
    prints = dict.fromkeys(places, "")
    for _ in range(3):
        prints = {unnamed: _print(unnamed, found, prints) for unnamed, found in places.items()}
    return prints


def _print(unnamed: str, rows: list[str], prints: Mapping[str, str]) -> str:
    def masked(found: re.Match[str]) -> str:
        return "itself" if found[1] == unnamed else prints[found[1]]

    text = "\n".join(sorted(_UNNAMED.sub(masked, row) for row in rows))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
