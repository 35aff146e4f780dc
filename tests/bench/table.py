"""The speed table: its rows, what each figure is, and which ratio is to be reached. May touch: nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Goal:
    """A ratio (or difference) of two figures of one round, and the bound for its median."""

    says: str
    of: str
    to: str
    at_least: float | None = None
    at_most: float | None = None
    is_difference: bool = False

    def value(self, figures: Mapping[str, float]) -> float:
        """Return it for one round."""
        return figures[self.of] - figures[self.to] if self.is_difference else figures[self.of] / figures[self.to]

    def is_reached(self, median: float) -> bool:
        """Return whether a median is within the bound."""
        return (self.at_least is None or median >= self.at_least) and (self.at_most is None or median <= self.at_most)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row. `figures`: name of a figure → what exactly was done; `unit` holds for all of them."""

    title: str
    unit: str
    checks: str
    figures: Mapping[str, str]
    goals: tuple[Goal, ...]
    says: str = ""
    units: Mapping[str, str] = field(default_factory=dict)

    def unit_of(self, figure: str) -> str:
        """Return the unit of a figure."""
        return self.units.get(figure, self.unit)


ROWS: Mapping[str, Row] = {
    "relay": Row(
        title="Relay: committed rows → confirmed in a quorum queue → marked",
        unit="messages/s",
        says="Prepared outbox rows, ten versions of each aggregate, about 1 KiB a message, persistent, `mandatory`,"
        " one quorum queue bound.",
        checks="the queue has every id once; each aggregate's versions came in order; no row is left unsent",
        figures={
            "limit": "no database: a socket that gets AMQP frames built beforehand, 1,000 unconfirmed at most, confirms"
            " matched by delivery tag. It stands in for a C client, of which none is among the pinned packages;"
            " being Python, it is a lower limit than one",
            "py-amqp": "no database: py-amqp's `basic_publish`, 1,000 unconfirmed at most, confirms matched by tag:"
            " what a public client library reaches",
            "fissile": "the shop's own `RelayLoop` in a process of its own, one thread: leases, claim, order, spans,"
            " envelope, publish, mark; from its start, connecting included, to the last `sent_at`",
            "peer": "no database: kombu with `confirm_publish`, one message at a time, each waits for a confirm;"
            " what a simple outbox loop does, without the row that it would also have to write",
            "task per event": "no relay: a Celery task for each row, sent beforehand, two processes, late"
            " acknowledgement; it locks the row, publishes with a confirm, marks it, commits. No order, no span;"
            " from the first row marked to the last",
        },
        goals=(
            Goal("fissile / limit", "fissile", "limit", at_least=0.3),
            Goal("fissile / py-amqp", "fissile", "py-amqp"),
            Goal("fissile / peer", "fissile", "peer"),
            Goal("fissile / task per event", "fissile", "task per event"),
        ),
    ),
    "inbox": Row(
        title="Consumer: a queue with 10 % duplicates → each effect once",
        unit="messages/s",
        says="The same messages on a quorum queue for each figure; one in ten was published once more, a little later.",
        checks="each message has one effect, the inbox has one applied row each, the queue is empty",
        figures={
            "limit": "py-amqp: consume and acknowledge 50 at a time; no database, duplicates are not noticed",
            "fissile": "the shop's own `ConsumeLoop` in a process of its own: decode, positions, order, spans, the"
            " handler's effect row, inbox rows, commit, acknowledge, a log line each",
            "bare handler": "the same with a handler that does nothing: what is Fissile's own; the rest of the"
            " difference is one INSERT a message, on its own way to the database and back",
            "peer": "kombu's consumer; for each message a transaction of its own on Django's connection, with plain"
            " SQL: a row of deduplication, the effect row, commit, acknowledge. No order, attempts, trace or log",
        },
        goals=(
            Goal("fissile / limit", "fissile", "limit", at_least=0.25),
            Goal("fissile / peer", "fissile", "peer", at_least=5),
            Goal("bare handler / limit", "bare handler", "limit"),
        ),
    ),
    "latency": Row(
        title="Latency: commit → committed effect",
        unit="ms",
        says="One writer at a steady rate, 80 a second; each message is timed.",
        checks="each committed event has one effect; the outbox has no unsent row, the queue is empty",
        figures={
            "apart p50": "from the return of the writer's commit (order row and event in one unit of work) to the"
            " return of the consumer's commit; writer, relay and consumer are processes of their own, as in `split`",
            "apart p99": "the same",
            "apart, marked p50": "of that, until the relay wrote `sent_at`, which is after the broker's confirm",
            "together p50": "relay and consumer are threads of one worker process, as in the monolith",
            "together p99": "the same",
            "together, marked p50": "of that, until `sent_at`",
            "broker p50": "from `basic_publish` on one connection to the consumer's callback in another process",
            "broker p99": "the same",
        },
        goals=(
            Goal("p50, apart / broker", "apart p50", "broker p50", at_most=2),
            Goal("p99, apart / broker", "apart p99", "broker p99", at_most=3),
            Goal("p50, together / broker", "together p50", "broker p50", at_most=2),
            Goal("p99, together / broker", "together p99", "broker p99", at_most=3),
        ),
    ),
    "wakeup": Row(
        title="Writer: what the wake-up costs, 16 connections",
        unit="commits/s",
        says="16 threads of one process, a connection each, write an order row and an event per unit of work."
        " A connection listens; no relay runs.",
        checks="the outbox has one row for each commit that was counted",
        figures={
            "on": "as shipped: a wake-up after each commit, folded into one `NOTIFY` per 2 ms outside of transactions",
            "off": "the same unit of work without the wake-up",
            "in transaction": "`NOTIFY` in each transaction instead",
        },
        goals=(
            Goal("on / off", "on", "off", at_least=0.97),
            Goal("in transaction / off", "in transaction", "off"),
        ),
    ),
    "backlog": Row(
        title="Backlog: is the end drained as fast as the start, in the same memory",
        unit="messages/s",
        units={
            "memory first": "MiB",
            "memory most": "MiB",
            "commit p50, idle": "ms",
            "commit p99, idle": "ms",
            "commit p50, draining": "ms",
            "commit p99, draining": "ms",
        },
        says="The relay of the first row on one long backlog, while a writer commits 20 orders and their events a"
        " second. What it writes is sent, too, behind the backlog: relays claim the oldest first.",
        checks="the queue has every id once; each aggregate's versions came in order; no row is left unsent",
        figures={
            "first tenth": "rows per second over the first tenth, by `sent_at`",
            "last tenth": "over the last tenth",
            "memory first": "resident memory of the relay's process when the first tenth was sent",
            "memory most": "the most it was afterwards",
            "commit p50, idle": "a unit of work of the writer, a twentieth of a second apart, beside a relay that has"
            " nothing else to do",
            "commit p99, idle": "the same",
            "commit p50, draining": "the same beside the relay that drains the backlog",
            "commit p99, draining": "the same",
        },
        goals=(
            Goal("last / first tenth", "last tenth", "first tenth", at_least=0.8),
            Goal("growth", "memory most", "memory first", at_most=50, is_difference=True),
            Goal("commit p50, draining / idle", "commit p50, draining", "commit p50, idle"),
            Goal("commit p99, draining / idle", "commit p99, draining", "commit p99, idle", at_most=2),
        ),
    ),
}
# Rows of the whole table that nothing here measures.
OTHERS = (
    "django-outbox-pattern (it speaks STOMP, which the private broker does not)",
    "the write path",
    "HTTP",
    "the gateway",
    "port calls",
    "caches",
    "rate limits",
    "token checks",
)
