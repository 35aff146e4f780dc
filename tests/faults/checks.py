"""The invariants: what must hold once a fault is over, the shop is quiet and every client knows its outcomes.

May touch: rows of each context, read past the application; the front door; queues beside the consumers'. Numbers are
those of the fault matrix: I1 accepted orders, I2 keys, I3 retries, I4 versions, I5 publication, I6 inboxes, I7 order,
I8 read model, I9 money, I11 what is parked. Violations are listed, not only counted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from tests.house import CONSUMERS, PUBLISHING, RunningHouse

from .journal import Journal
from .reading import Committed, Received, Taps, decoded, identity, inbox_of, log_of, stuck_behind
from .shown import PAID, wrongly_shown

AGGREGATES = {"users": "users_user", "orders": "orders_order", "payments": "payments_payment"}
PATIENCE_SECONDS = 5.0
_UNDECIDED = "SELECT id FROM orders_order WHERE status = 'placed'"


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What a queue beside the consumers' heard, against what was committed (Jepsen's total queue)."""

    committed: int = 0
    heard: int = 0
    lost: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    duplicated: int = 0


@dataclass
class Findings:
    """Violations by invariant, and the figures of publication."""

    violations: list[tuple[str, str]] = field(default_factory=list)
    publication: Publication = field(default_factory=Publication)

    def note(self, invariant: str, sentences: Iterable[str]) -> None:
        """Add violations of one invariant."""
        self.violations += [(invariant, sentence) for sentence in sentences]

    @property
    def counts(self) -> dict[str, int]:
        """Violations per invariant."""
        return dict(sorted(Counter(invariant for invariant, _ in self.violations).items()))


def findings(
    house: RunningHouse, journal: Journal, taps: Taps, poison: Mapping[str, frozenset[str]] | None = None
) -> Findings:
    """Check everything; `poison`: consumer → ids of events that must end parked there, later ones waiting behind."""
    poison = poison or {}
    found = Findings(violations=list(journal.wrongs))
    logs = {context: log_of(house, context) for context in PUBLISHING}
    found.note("I1", _wrong_orders(house, journal))
    found.note("I2", _wrong_keys(house, journal))
    for context, log in logs.items():
        found.note("I4", _wrong_versions(house, context, log))
    found.publication = _publication(taps, logs)
    found.note("I5", [f"lost: {event}" for event in found.publication.lost])
    found.note("I5", [f"never committed: {event}" for event in found.publication.unexpected])
    for consumer in CONSUMERS:
        log, ours = logs[consumer.split(".", 1)[1]], poison.get(consumer, frozenset())
        rows = inbox_of(house, consumer)
        found.note("I6", _wrong_inbox(consumer, rows, log))
        found.note("I7", _wrong_order(house, consumer, rows, log, ours))
        found.note("I11", _wrong_state(consumer, rows, stuck_behind(log, ours), ours))
    found.note("I8", _wrong_read_model(house, logs["orders"], poison.get("bff.orders", frozenset())))
    found.note("I9", _wrong_money(house, logs["orders"]))
    found.note("I11", _unsent(house))
    if not poison:
        found.note("I8", wrongly_shown(house, journal))
    return found


def unsettled(house: RunningHouse, poison: Mapping[str, frozenset[str]]) -> list[str]:
    """Return what still has to happen until a house with poison in it is as quiet as it can be."""
    found = list(_unsent(house))
    found += [f"order {order} is undecided" for (order,) in house.rows("orders", _UNDECIDED)]
    for consumer in CONSUMERS:
        log, ours = log_of(house, consumer.split(".", 1)[1]), poison.get(consumer, frozenset())
        rows = inbox_of(house, consumer)
        found += [*_wrong_inbox(consumer, rows, log), *_wrong_state(consumer, rows, stuck_behind(log, ours), ours)]
    return found


# -- what was accepted


def _wrong_orders(house: RunningHouse, journal: Journal) -> Iterator[str]:
    rows = house.rows("orders", "SELECT id, buyer_id, total_minor, status FROM orders_order")
    orders = {identity(row[0]): (identity(row[1]), row[2], row[3]) for row in rows}
    lines: dict[str, dict[str, int]] = defaultdict(dict)
    for order, sku, quantity in house.rows("orders", "SELECT order_id, sku, quantity FROM orders_order_line"):
        lines[identity(order)][sku] = quantity
    for placed in journal.accepted:
        if placed.order not in orders:
            yield f"order {placed.order} was accepted and is not there"
            continue
        buyer, total, status = orders[placed.order]
        if (buyer, total, lines[placed.order]) != (placed.buyer, placed.total_minor, placed.lines):
            yield f"order {placed.order} has other contents than were accepted"
        if status != placed.status:
            yield f"order {placed.order} is {status} instead of {placed.status}"


def _wrong_keys(house: RunningHouse, journal: Journal) -> Iterator[str]:
    asked = {placed.key for placed in journal.placed}
    keys = house.rows("orders", "SELECT key, body FROM orders_idempotency_key WHERE status = 201")
    made = {key: decoded(body)["id"] for key, body in keys}
    orders = {identity(order) for (order,) in house.rows("orders", "SELECT id FROM orders_order")}
    yield from (f"key {key} was never sent by a client" for key in made.keys() - asked)
    yield from (f"order {order} belongs to no key" for order in orders - set(made.values()))
    yield from (f"order {order} is under two keys" for order, times in Counter(made.values()).items() if times > 1)


# -- what was told


def _wrong_versions(house: RunningHouse, context: str, log: list[Committed]) -> Iterator[str]:
    versions: dict[str, list[int]] = defaultdict(list)
    for event in log:
        versions[event.aggregate.split("/", 1)[1]].append(event.version)
    rows = {
        identity(key): version for key, version in house.rows(context, f"SELECT id, version FROM {AGGREGATES[context]}")
    }
    for key in rows.keys() | versions.keys():
        if versions[key] != list(range(1, rows.get(key, 0) + 1)):
            yield f"{context} {key} is at version {rows.get(key)}, its events are {versions[key]}"


def _publication(taps: Taps, logs: Mapping[str, list[Committed]]) -> Publication:
    committed = {event.id: f"{event.type} {event.aggregate}@{event.version}" for log in logs.values() for event in log}
    taps.listen()
    if committed.keys() - taps.before - taps.ids.keys():
        # Nothing is called lost that was only late.
        taps.listen(quiet_seconds=PATIENCE_SECONDS)
    heard = taps.ids
    awaited = committed.keys() - taps.before
    return Publication(
        committed=len(awaited),
        heard=heard.total(),
        lost=tuple(sorted(committed[one] for one in awaited - heard.keys())),
        unexpected=tuple(sorted(heard.keys() - committed.keys())),
        duplicated=heard.total() - len(heard),
    )


def _unsent(house: RunningHouse) -> Iterator[str]:
    for context in PUBLISHING:
        sql = f"SELECT aggregate, version, reason FROM {context}_outbox WHERE sent_at IS NULL"
        for aggregate, version, reason in house.rows(context, sql):
            yield f"{aggregate}@{version} of {context} is not sent: {reason or 'pending'}"


# -- what was heard


def _wrong_inbox(consumer: str, rows: list[Received], log: list[Committed]) -> Iterator[str]:
    times = Counter(row.id for row in rows)
    wanted = {event.id: event for event in log}
    for missing in wanted.keys() - times.keys():
        yield f"{consumer} never received {wanted[missing].type} {wanted[missing].aggregate}@{wanted[missing].version}"
    yield from (f"{consumer} received {stranger}, which is of no event" for stranger in times.keys() - wanted.keys())
    yield from (f"{consumer} has {one} {number} times" for one, number in times.items() if number > 1)


def _wrong_order(
    house: RunningHouse, consumer: str, rows: list[Received], log: list[Committed], poison: frozenset[str]
) -> Iterator[str]:
    context, stuck = consumer.split(".", 1)[0], stuck_behind(log, poison)
    heads = {event.aggregate: event.version for event in log if event.id not in stuck}
    sql = f"SELECT aggregate, applied_version FROM {context}_position WHERE consumer = '{consumer}'"
    at = {aggregate: version for aggregate, version in house.rows(context, sql) if version}
    for aggregate in heads.keys() | at.keys():
        if at.get(aggregate, 0) != heads.get(aggregate, 0):
            yield f"{consumer} is at {at.get(aggregate, 0)} of {aggregate}, which is at {heads.get(aggregate, 0)}"
    applied = [row for row in rows if row.state == "applied" and row.reason != "late duplicate"]
    for one, following in pairwise(applied):
        if one.aggregate == following.aggregate and one.applied_at > following.applied_at:
            yield f"{consumer} applied {following.aggregate}@{following.version} before its predecessor"


def _wrong_state(consumer: str, rows: list[Received], stuck: set[str], poison: frozenset[str]) -> Iterator[str]:
    for row in rows:
        wanted = "parked" if row.id in poison else "waiting" if row.id in stuck else "applied"
        if row.state != wanted:
            yield f"{consumer}: {row.aggregate}@{row.version} is {row.state} instead of {wanted}: {row.reason}"


# -- what came of it


@dataclass
class _Shown:
    """An order as the fold of its events."""

    buyer: str = ""
    status: str = ""
    total: int = 0
    history: list[tuple[int, str]] = field(default_factory=list)


def _folded(log: list[Committed], poison: frozenset[str] = frozenset()) -> dict[str, _Shown]:
    shown: dict[str, _Shown] = defaultdict(_Shown)
    stuck = stuck_behind(log, poison)
    for event in log:
        if event.id in stuck:
            continue
        order = shown[event.data["order_id"]]
        order.status = event.type.removeprefix("orders.order_").removesuffix(".v1")
        order.buyer = event.data["buyer_id"]
        order.total = event.data.get("total_minor", order.total)
        order.history.append((event.version, event.type))
    return dict(shown)


def _wrong_read_model(house: RunningHouse, log: list[Committed], poison: frozenset[str]) -> Iterator[str]:
    folded = _folded(log, poison)
    histories: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for order, version, event in house.rows(
        "bff", "SELECT order_id, version, event FROM bff_dashboard_history ORDER BY id"
    ):
        histories[identity(order)].append((version, event))
    rows = house.rows("bff", "SELECT order_id, buyer_id, status, total_minor FROM bff_dashboard_order")
    stored = {identity(row[0]): _Shown(identity(row[1]), row[2], row[3], histories[identity(row[0])]) for row in rows}
    for order in folded.keys() | stored.keys():
        if folded.get(order) != stored.get(order):
            yield f"the dashboard has {stored.get(order)} of order {order}, its events make {folded.get(order)}"
    yield from _wrong_totals(house, folded.values())


def _wrong_totals(house: RunningHouse, orders: Iterable[_Shown]) -> Iterator[str]:
    wanted: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for order in orders:
        told = {event.removeprefix("orders.order_").removesuffix(".v1") for _, event in order.history}
        sums = wanted[order.buyer]
        sums[0] += 1
        sums[1] += "cancelled" in told
        sums[2] += "rejected" in told
        sums[3] += 0 if told & {"cancelled", "rejected"} else order.total
    sql = "SELECT buyer_id, placed_count, cancelled_count, rejected_count, spent_minor FROM bff_dashboard_totals"
    stored = {identity(row[0]): list(row[1:]) for row in house.rows("bff", sql)}
    for buyer in wanted.keys() | stored.keys():
        if wanted.get(buyer) != stored.get(buyer):
            yield f"the dashboard's totals of {buyer} are {stored.get(buyer)}, the events add up to {wanted.get(buyer)}"


def _wrong_money(house: RunningHouse, log: list[Committed]) -> Iterator[str]:
    ledger: dict[str, Counter[str]] = defaultdict(Counter)
    for payment, kind, amount in house.rows("payments", "SELECT payment_id, kind, amount_minor FROM payments_ledger"):
        ledger[identity(payment)]["held" if kind in ("hold", "release") else "charged"] += amount
    payments: dict[str, list[tuple[str, int, int, int]]] = defaultdict(list)
    for key, order, status, amount in house.rows(
        "payments", "SELECT id, order_id, status, amount_minor FROM payments_payment"
    ):
        lines = ledger[identity(key)]
        payments[identity(order)].append((status, amount, lines["held"], lines["charged"]))
    orders = _folded(log)
    for order, shown in orders.items():
        due = shown.total if shown.status == "confirmed" else 0
        right = [(status, shown.total, 0, due) for status in PAID.get(shown.status, ())]
        if len(payments[order]) != 1 or payments[order][0] not in right:
            yield f"order {order} is {shown.status} over {shown.total}, its payments are {payments[order]}"
    yield from (f"order {order} was paid for and never placed" for order in payments.keys() - orders.keys())
