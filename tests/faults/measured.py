"""What the rows measured beside their checks, as tables for the page. May touch: nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.filed import line

Result = Mapping[str, Any]
_PHASES = {
    "baseline": "none of it",
    "raising": "raises, until parked",
    "killing": "kills its process, until parked",
    "hanging": "never ends, until parked",
}


def tables(results: Sequence[Result]) -> str:
    """Return every table for which there is a result of the shop's own design."""
    own = [one for one in results if not one["control"] and one.get("figures")]
    parts = [_outage(own), _full(own), _trouble(own), _link(own), _lag(own), _relays(own)]
    return "\n".join(part for part in parts if part)


def _where(one: Result) -> str:
    return f"{one['row']}, {one['topology']}, {one['tier']}, seed {one['seed']}"


def _with(results: Sequence[Result], name: str) -> list[tuple[str, Any]]:
    return [(_where(one), one["figures"][name]) for one in results if name in one["figures"]]


def _outage(results: Sequence[Result]) -> str:
    rows = [
        line(
            [
                where, found["away_seconds"], found["orders_a_second"], found["accepted_meanwhile"],
                found["refused_meanwhile"], found["waiting_events"], found["drained_seconds"],
                found["quiet_after_last_order_seconds"],
            ]
        )
        for where, found in _with(results, "outage")
    ]  # fmt: skip
    return _section(
        "A broker that is away",
        "RabbitMQ hangs for 3 s, is killed and stays away while orders come at a steady rate; they go on coming while"
        " the backlog is sent. *Waiting* are the events in orders' outbox before it is started again, *drained* is how"
        " long the relay took from its open port on to have them confirmed, *quiet* how long after the last order all"
        " of them were decided, paid for and shown. The clients' requests share two cores with everything else.",
        "| Run | Away, s | Orders a second | Accepted meanwhile | Refused or unknown | Waiting"
        " | Drained, s | Quiet, s |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
        rows,
    )


def _full(results: Sequence[Result]) -> str:
    rows = [
        line(
            [
                where, found["limit"], found["waiting_events"], found["refused_keys"], found["refusals"],
                found["accepted_later_under_their_keys"],
            ]
        )
        for where, found in _with(results, "full")
    ]  # fmt: skip
    return _section(
        "A full outbox",
        "The same until orders' outbox holds its limit (1,000,000 events as shipped, few here): then 503 `outbox_full`"
        " with Retry-After, and after RabbitMQ is back each refused key makes its order. A process looks once a second,"
        " so that a few events more than the limit come in.",
        "| Run | Limit | Waiting at most | Keys refused | Refusals | Orders later made under these keys |",
        "|---|--:|--:|--:|--:|--:|",
        rows,
    )


def _trouble(results: Sequence[Result]) -> str:
    rows = [
        line(
            [
                where, found["seconds"], _spread(found["answers_before"]), _spread(found["answers_meanwhile"]),
                _all(found["relay_noticed_seconds"]), _all(found["drained_seconds"]),
            ]
        )
        for where, found in _with(results, "trouble")
    ]  # fmt: skip
    return _section(
        "A broker that takes nothing",
        "Answers: requests of the clients for an order, as many, p50 / p99 in ms. *Noticed*: until a relay said that it"
        " lost its broker (its confirms have a deadline of 2 s). A consumer notices later, after two missed heartbeats"
        " of 30 s; until then it waits for messages that do not come, which is all that it could do anyway.",
        "| Run | For, s | Answers before | Answers meanwhile | Noticed, s | Drained, s |",
        "|---|--:|--:|--:|--:|--:|",
        rows,
    )


def _link(results: Sequence[Result]) -> str:
    rows = [
        line([where, _all(found["delays_seconds"]), found["bytes_a_second"]]) for where, found in _with(results, "link")
    ]
    return _section(
        "A slow link to the broker",
        "A TCP proxy holds each byte back in either direction, give or take two thirds. Behind 1.5 s no batch has its"
        " confirms within the relay's deadline, so all events wait.",
        "| Run | Delays, s | Bytes a second |",
        "|---|--:|--:|",
        rows,
    )


def _lag(results: Sequence[Result]) -> str:
    rows = []
    for where, found in _with(results, "lag"):
        for name, phase in found["phases"].items():
            ratios = found["p99_against_baseline"].get(name, {})
            parked = found["parked_after_seconds"].get(name, [])
            rows.append(
                line(
                    [
                        where, _PHASES[name], _spread(phase["same_consumer"]), ratios.get("same_consumer", ""),
                        _spread(phase["other_consumers"]), ratios.get("other_consumers", ""), _all(parked),
                    ]
                )
            )  # fmt: skip
    return _section(
        "Bystanders of poison",
        "From an event's record in its outbox to its effect at a consumer, both by the databases' clocks, which on one"
        " machine are one: as many, p50 / p99 in ms, without the poisoned orders. None of these bystanders was parked:"
        " a check (I11), while the times are reported and judged by nothing. A handler that raises costs others little."
        " One that kills its process stops its consumer, and with its process all consumers in it, once: whoever gets"
        " the message next on the same machine knows that its handler had begun, and every further attempt happens in a"
        " child process, at nobody's expense. A single worker's consumers wait until a supervisor has started it again;"
        " of two (`split-twice`) the other one goes on."
        " One that never ends is relieved by another thread after 3 s on PostgreSQL, by nobody on SQLite; its worker"
        " ends after a silence that is 12 s here (32 s on SQLite)"
        " and 90 s as shipped, once, and the rest is a child's again."
        " So the middle one of the bystanders waits as long as usual. Their p99 is as long as such a wait for as long"
        " as it is more than a hundredth of the phase, whose bystanders the table counts.",
        "| Run | The handler | Same consumer | p99 against baseline | Other consumers | p99 against baseline"
        " | Parked after, s |",
        "|---|---|--:|--:|--:|--:|--:|",
        rows,
    )


def _relays(results: Sequence[Result]) -> str:
    rows = [
        line([where, f"slept {_all(found)} s, past a lease of 5 s", ""])
        for where, found in _with(results, "slept_seconds")
    ]
    rows += [
        line(
            [
                where,
                f"{found['workers']} workers, {found['relays_with_lanes']} relays with lanes",
                found["published_again"],
            ]
        )
        for where, found in _with(results, "together")
    ]
    return _section(
        "Several relays",
        "Beside a second worker of the same role, one is stopped (SIGSTOP) with a batch in hand until the other has its"
        " lanes; woken, it must find out that it is fenced off. Started three times, they share the lanes, and nothing"
        " is published again.",
        "| Run | What | Published again |",
        "|---|---|--:|",
        rows,
    )


def _section(title: str, says: str, head: str, rule: str, rows: Sequence[str]) -> str:
    return "\n".join([f"## {title}", "", says, "", head, rule, *rows, ""]) if rows else ""


def _spread(found: Mapping[str, float]) -> str:
    return f"{found['count']}: {found['p50_ms']} / {found['p99_ms']}" if found["count"] else "0"


def _all(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
