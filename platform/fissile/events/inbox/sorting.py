"""Tells new messages from repetitions, and both from a second message for a place that is taken. Touches nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from .received import Message


@dataclass(frozen=True)
class Sorted:
    """What a batch turned out to hold: rows to write, and how many told nothing new."""

    fresh: tuple[Message, ...]
    duplicates: int
    forks: tuple[Message, ...]


def sort_out(
    messages: Sequence[Message], taken: Mapping[tuple[str, int], UUID], positions: Mapping[str, int]
) -> Sorted:
    """Return what is new, given who holds which (aggregate, version) and how far each aggregate is applied."""
    places = dict(taken)
    by_id = {message_id: place for place, message_id in places.items()}
    fresh: list[Message] = []
    forks: list[Message] = []
    duplicates = 0
    for message in sorted(messages):
        place = (message.aggregate, message.version)
        holder, other_place = places.get(place), by_id.get(message.id, place)
        if holder == message.id:
            duplicates += 1
        elif holder is not None:
            forks.append(message.forked(f"forked history: {place[0]}@{place[1]} is message {holder} here"))
        elif other_place != place:
            forks.append(message.forked(f"forked history: this id is {other_place[0]}@{other_place[1]} here"))
        elif message.version <= positions.get(message.aggregate, 0):
            duplicates += 1  # applied, and its row pruned
        else:
            fresh.append(message)
            places[place] = message.id
            by_id[message.id] = place
    return Sorted(tuple(fresh), duplicates, tuple(forks))
