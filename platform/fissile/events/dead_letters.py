"""Dead letters: parked inbox rows, and parked outbox rows at the owner's side; grouped, counted, paged, shown.

May touch: inbox and outbox rows of the installed contexts, read only. What is done to
them stands in `dead_letter_repair`. Only `find` and `letters` read payloads.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Count, Exists, Max, Min, OuterRef, Q, QuerySet, Subquery

from fissile.contexts import registry
from fissile.errors import Refusal

from .inbox.store import inbox_of
from .models import InboxRow, OutboxRow
from .outbox import outbox_of

State = InboxRow.State
OUTBOX = "outbox"
# A cause that names its message makes a group of one: past these a list is no overview any more.
MOST_GROUPS = 100
MOST_LETTERS = 200
# Numbers, no payloads; each page looks through the parked rows once.
PAGE = 5_000


class NoSuchDeadLetter(Refusal):
    """No dead letter, or group of them, has this id in the contexts of this process; see `deadletters list`."""

    code = "no_such_dead_letter"
    status = 404


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """One parked row. `id` is `<context>:<number>`, or `<context>:outbox:<number>` at the owner's side.

    `consumer` is `<context>.outbox` there: the event has not left, nobody has it.
    """

    id: str
    context: str
    consumer: str
    message_id: str
    type: str
    aggregate: str
    version: int
    reason: str
    attempts: int
    state: str
    received_at: datetime
    payload: Any
    headers: dict[str, Any]

    @property
    def trace_id(self) -> str | None:
        """The trace in which the event was recorded: `manage.py traces show <trace id>`."""
        parts = str(self.headers.get("traceparent") or "").split("-")
        return parts[1] if len(parts) > 2 else None

    @property
    def is_at_the_owner(self) -> bool:
        """True for an event that has not left its outbox."""
        return self.id.startswith(f"{self.context}:{OUTBOX}:")

    @property
    def number(self) -> int:
        """The row's primary key."""
        return int(self.id.rpartition(":")[2])


@dataclass(frozen=True, kw_only=True)
class Group:
    """Dead letters of one consumer with one cause; `behind` counts the rows that wait for them.

    `example` is the id of the one that was stored first.
    """

    consumer: str
    cause: str
    count: int
    behind: int
    first_seen: datetime
    last_seen: datetime
    example: str

    @property
    def id(self) -> str:
        """A name that is the same in every process and at every look: for a command line, for a link."""
        return group_id(self.consumer, self.cause)


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which dead letters; what is None does not matter. `cause` is any part of the reason; `until` is left out itself.

    A message was seen when it was received; an event that never left, when it was
    recorded. `tables` are labels of models, for those who may not see all.
    """

    group: str | None = None
    consumer: str | None = None
    cause: str | None = None
    type: str | None = None
    aggregate: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    tables: frozenset[str] | None = None

    @property
    def is_empty(self) -> bool:
        """True if every dead letter fits."""
        return not any(vars(self).values())


EVERYTHING = Query()


def group_id(consumer: str, cause: str) -> str:
    """Return the id of the group of a consumer and a cause."""
    return hashlib.sha256(f"{consumer}\0{cause}".encode()).hexdigest()[:10]


def groups(query: Query = EVERYTHING) -> list[Group]:
    """Return the largest groups of the letters that fit, at most MOST_GROUPS; `count` tells whether these are all."""
    found = [group for shelf in _shelves(query) for group in shelf.groups()]
    return sorted(found, key=lambda group: (-group.count, group.consumer, group.cause))[:MOST_GROUPS]


def count(query: Query = EVERYTHING) -> int:
    """Return how many letters fit."""
    return sum(shelf.rows.count() for shelf in _shelves(query))


def ids(query: Query = EVERYTHING) -> Iterator[str]:
    """Yield the id of each letter that fits, in the order in which they were stored, by tables.

    They are read in pages, so that letters may be replayed between two of them; one
    that is parked anew behind the last id, or stored meanwhile, is not met again.
    """
    for shelf in _shelves(query):
        yield from shelf.ids()


def letters(query: Query = EVERYTHING, *, limit: int = MOST_LETTERS) -> list[DeadLetter]:
    """Return the first letters that fit, oldest first, whole; at most `limit`."""
    found = [letter for shelf in _shelves(query) for letter in shelf.letters(limit)]
    return sorted(found, key=lambda letter: (letter.received_at, letter.id))[:limit]


def find(letter_id: str) -> DeadLetter:
    """Return a row by its id, parked or not any more; raise NoSuchDeadLetter."""
    context, _, rest = letter_id.partition(":")
    is_outbox, number = rest.startswith(f"{OUTBOX}:"), rest.removeprefix(f"{OUTBOX}:")
    unknown = NoSuchDeadLetter(f"There is no dead letter {letter_id!r} here; see: manage.py deadletters list")
    if not registry.is_near(context) or not number.isascii() or not number.isdigit() or len(number) > 18:
        raise unknown
    try:
        if is_outbox:
            return _from_outbox(context, outbox_of(context)._default_manager.using(context).get(seq=number))
        return _from_inbox(context, inbox_of(context)._default_manager.using(context).get(id=number))
    except (LookupError, ObjectDoesNotExist):
        raise unknown from None


@dataclass(frozen=True)
class _Shelf(ABC):
    """Parked rows of one table."""

    context: str
    rows: QuerySet[Any]

    @abstractmethod
    def groups(self) -> list[Group]:
        ...

    @abstractmethod
    def letters(self, limit: int) -> list[DeadLetter]:
        ...

    @abstractmethod
    def name(self, number: int) -> str:
        ...

    def ids(self) -> Iterator[str]:
        last = self.rows.aggregate(last=Max("pk"))["last"]
        page: list[int] = [0]
        while last is not None and page:
            page = list(self._numbers(page[-1], last))
            yield from map(self.name, page)

    def _numbers(self, after: int, last: int) -> QuerySet[Any, int]:
        return self.rows.filter(pk__gt=after, pk__lte=last).order_by("pk").values_list("pk", flat=True)[:PAGE]

    def _group(self, row: dict[str, Any], consumer: str, behind: int) -> Group:
        return Group(
            consumer=consumer, cause=row["reason"], count=row["count"], behind=behind,
            first_seen=row["first"], last_seen=row["last"], example=self.name(row["example"]),
        )  # fmt: skip


class _Inbox(_Shelf):
    """What consumers gave up on."""

    def groups(self) -> list[Group]:
        found = _grouped(self.rows.values("consumer", "reason"), "received_at")
        behind = self._behind() if found else {}
        return [self._group(row, row["consumer"], behind.get((row["consumer"], row["reason"]), 0)) for row in found]

    def _behind(self) -> dict[tuple[str, str], int]:
        # A parked row is its stream's head: there is one at most for each row that waits.
        here = self.rows.filter(consumer=OuterRef("consumer"), aggregate=OuterRef("aggregate"))
        waiting = inbox_of(self.context)._default_manager.using(self.context).filter(Exists(here), state=State.WAITING)
        causes = waiting.annotate(cause=Subquery(here.values("reason")[:1])).values("consumer", "cause")
        return {(one["consumer"], one["cause"]): one["count"] for one in causes.annotate(count=Count("pk")).order_by()}

    def letters(self, limit: int) -> list[DeadLetter]:
        return [_from_inbox(self.context, row) for row in self.rows.order_by("received_at", "pk")[:limit]]

    def name(self, number: int) -> str:
        return f"{self.context}:{number}"


class _Outbox(_Shelf):
    """What the broker would not take, or an operator holds back."""

    def groups(self) -> list[Group]:
        found = _grouped(self.rows.values("reason"), "recorded_at")
        behind = self._behind() if found else {}
        return [self._group(row, f"{self.context}.{OUTBOX}", behind.get(row["reason"], 0)) for row in found]

    def _behind(self) -> dict[str, int]:
        here = self.rows.filter(aggregate=OuterRef("aggregate")).order_by("version")
        unsent = outbox_of(self.context)._default_manager.using(self.context).filter(
            Exists(here), sent_at__isnull=True, parked_at__isnull=True
        )  # fmt: skip
        causes = unsent.annotate(cause=Subquery(here.values("reason")[:1])).values("cause")
        return {one["cause"]: one["count"] for one in causes.annotate(count=Count("pk")).order_by()}

    def letters(self, limit: int) -> list[DeadLetter]:
        return [_from_outbox(self.context, row) for row in self.rows.order_by("recorded_at", "pk")[:limit]]

    def name(self, number: int) -> str:
        return f"{self.context}:{OUTBOX}:{number}"


def _grouped(named: QuerySet[Any, dict[str, Any]], seen: str) -> list[dict[str, Any]]:
    figures = named.annotate(count=Count("pk"), first=Min(seen), last=Max(seen), example=Min("pk"))
    return list(figures.order_by("-count", "reason")[:MOST_GROUPS])


def _shelves(query: Query) -> list[_Shelf]:
    """Return the tables of the installed contexts, each narrowed to what fits; those that cannot fit are left out."""
    found: list[_Shelf] = []
    for context in (one.name for one in registry.installed()):
        for make in (_inbox_shelf, _outbox_shelf):
            try:
                shelf = make(context, query)
            except LookupError:  # a context need not publish, or not listen
                continue
            if shelf is not None and (query.tables is None or shelf.rows.model._meta.label in query.tables):
                found.append(shelf)
    return found


def _inbox_shelf(context: str, query: Query) -> _Shelf | None:
    rows: QuerySet[Any] = inbox_of(context)._default_manager.using(context).filter(state=State.PARKED)
    if query.consumer is not None:
        rows = rows.filter(consumer=query.consumer)
    if query.group is not None:
        pairs = rows.order_by().values_list("consumer", "reason").distinct().iterator()
        pair = next((pair for pair in pairs if group_id(*pair) == query.group), None)
        if pair is None:
            return None
        rows = rows.filter(consumer=pair[0], reason=pair[1])
    return _Inbox(context, _narrowed(rows, query, "received_at"))


def _outbox_shelf(context: str, query: Query) -> _Shelf | None:
    name = f"{context}.{OUTBOX}"
    rows: QuerySet[Any] = outbox_of(context)._default_manager.using(context)
    # All three stand in the predicate of the index of rows in trouble, or follow from it.
    rows = rows.filter(sent_at__isnull=True, attempts__gt=0, parked_at__isnull=False)
    if query.consumer not in (None, name):
        return None
    if query.group is not None:
        causes = rows.order_by().values_list("reason", flat=True).distinct().iterator()
        cause = next((cause for cause in causes if group_id(name, cause) == query.group), None)
        if cause is None:
            return None
        rows = rows.filter(reason=cause)
    return _Outbox(context, _narrowed(rows, query, "recorded_at"))


def _narrowed(rows: QuerySet[Any], query: Query, seen: str) -> QuerySet[Any]:
    wanted = Q()
    for lookup, value in (
        # SQLite knows no other LIKE: the same answer on both tiers.
        ("reason__icontains", query.cause),
        ("type", query.type),
        ("aggregate", query.aggregate),
        (f"{seen}__gte", query.since),
        (f"{seen}__lt", query.until),
    ):
        if value is not None:
            wanted &= Q(**{lookup: value})
    return rows.filter(wanted)


def _from_inbox(context: str, row: InboxRow) -> DeadLetter:
    return DeadLetter(
        id=f"{context}:{row.pk}",
        context=context,
        consumer=row.consumer,
        message_id=str(row.message_id),
        type=row.type,
        aggregate=row.aggregate,
        version=row.version,
        reason=row.reason,
        attempts=row.attempts,
        state=str(row.state),
        received_at=row.received_at,
        payload=row.payload,
        headers=row.headers,
    )


def _from_outbox(context: str, row: OutboxRow) -> DeadLetter:
    state = State.PARKED if row.parked_at else State.WAITING
    return DeadLetter(
        id=f"{context}:{OUTBOX}:{row.seq}",
        context=context,
        consumer=f"{context}.{OUTBOX}",
        message_id=str(row.id),
        type=row.type,
        aggregate=row.aggregate,
        version=row.version,
        reason=row.reason,
        attempts=row.attempts,
        state="sent" if row.sent_at else str(state),
        received_at=row.recorded_at,
        payload=row.payload,
        headers=row.headers,
    )
