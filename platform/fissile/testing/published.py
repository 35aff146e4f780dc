"""Asserting what a context has published: its outbox is the log of it. Reads only."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from fissile.events.models import OutboxRow
from fissile.events.outbox import outbox_of
from fissile.messages import Event, from_wire

E = TypeVar("E", bound=Event)

_MOST_LINES = 20


def assert_published(event: type[E], times: int = 1, **fields: Any) -> tuple[E, ...]:
    """Fail unless `event` was recorded so often with these fields; return those events in the order of recording.

    Recorded means committed to the outbox: from then on it is published at least
    once, whether a relay has run or not. Fields that are not named may be anything.
    """
    __tracebackhide__ = True
    if unknown := sorted(set(fields) - {field.name for field in dataclasses.fields(event)}):
        known = ", ".join(field.name for field in dataclasses.fields(event))
        raise TypeError(f"{event.__name__} has no {', '.join(unknown)}; it has {known}.")
    rows = _rows_of(event)
    told: list[E] = [from_wire(event, row.payload) for row in rows if row.type == event.name]
    found = tuple(one for one in told if all(getattr(one, name) == value for name, value in fields.items()))
    if len(found) != times:
        raise AssertionError(_sentence(event, times, len(found), fields, rows))
    return found


def _rows_of(event: type[Event]) -> list[OutboxRow]:
    context = event.name.split(".", 1)[0]
    try:
        rows = outbox_of(context)
    except LookupError:
        raise LookupError(
            f"{event.name} is published by {context}, which is not installed here or has no outbox."
        ) from None
    return list(rows._default_manager.using(context).order_by("seq"))


def _sentence(event: type[Event], times: int, found: int, fields: dict[str, Any], rows: list[OutboxRow]) -> str:
    wanted = "".join(f" {name}={value!r}" for name, value in fields.items())
    said = f"{event.name}{' with' if wanted else ''}{wanted} was published {found} times, not {times}."
    if not rows:
        return f"{said} Nothing was published."
    lines = [_line(row) for row in rows[-_MOST_LINES:]]
    earlier = [f"- {len(rows) - len(lines)} earlier ones"] if len(rows) > len(lines) else []
    return "\n".join([f"{said} Published so far:", *earlier, *lines])


def _line(row: OutboxRow) -> str:
    return f"- {row} ({'sent' if row.sent_at else 'waits'}): {dict(sorted(row.payload.items()))}"
