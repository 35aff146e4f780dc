"""`outbox`: how each context's outbox stands, what is done to its lanes and events, and the queues they need.

May touch: outbox and lane rows, read only here; exchanges and queues of the broker.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser
from django.db import Error

from fissile.events import backlog, bus, lanes
from fissile.events.hosting import broker_errors, declare_own_topology
from fissile.events.outbox import OutboxStatus, publishing_contexts, status_of
from fissile.management import outbox_verbs
from fissile.management.cli import UNREACHABLE, CliError, HouseCommand, Result


class Command(HouseCommand):
    """Show the outboxes of this role, act on lanes or events of one, or declare exchanges and queues."""

    help = (
        "outbox status: pending, age, parked and relays per context; with --lanes, per lane. "
        "outbox pause|resume CONTEXT: hold its lanes up; events are recorded and wait. "
        "outbox retry|park CONTEXT …: single events. outbox prune CONTEXT --older-than 30d: what was sent long ago. "
        "outbox declare: exchanges and queues."
    )
    spoken = "outbox"

    def add_arguments(self, parser: CommandParser) -> None:
        """A subcommand each, all with --json."""
        actions = parser.add_subparsers(dest="action", required=True)
        status = actions.add_parser("status", help="how each outbox stands")
        status.add_argument("--lanes", action="store_true", help="a line for each lane, too")
        for action in (status, actions.add_parser("declare", help="the exchanges and queues of this role")):
            self.add_json(action)
        outbox_verbs.add(actions)

    def answer(self, **options: Any) -> Result:
        """Read the rows, change some, or talk to the broker."""
        if options["action"] in outbox_verbs.VERBS:
            return outbox_verbs.answer(options)
        return _status(with_lanes=options["lanes"]) if options["action"] == "status" else _declare()


def _status(*, with_lanes: bool) -> Result:
    found = []
    for context in publishing_contexts():
        try:
            found.append(status_of(context))
        except Error as wrong:
            raise CliError(
                "outbox.unreadable", f"The outbox of {context} cannot be read: {wrong}",
                hint="manage.py migrate, if its tables are missing; make services, if its server is",
                code=UNREACHABLE,
            ) from wrong  # fmt: skip
    header = f"{'context':<12} {'pending':>8} {'oldest':>9} {'retrying':>9} {'parked':>7} {'sent':>9}  relays"
    lines = [header, *(_line(one) for one in found)] if found else ["This role has no outbox."]
    if with_lanes:
        lines += ["", f"{'context':<12} {'lane':>8} {'pending':>9} {'oldest':>9} {'fence':>7} {'lease':>9}  relay"]
        lines += [_lane_line(one.context, lane) for one in found for lane in one.lanes]
    warnings = [f"{one.context}: {one.reason}" for one in found if one.reason]
    warnings += [said for one in found for said in (*_pauses(one), _fullness(one)) if said]
    return Result(data=[_data(one) for one in found], text="\n".join(lines), warnings=warnings)


def _data(one: OutboxStatus) -> dict[str, Any]:
    limit = backlog.backlog_of(one.context).limit
    return {**asdict(one), "owners": one.owners, "paused": one.paused, "limit": limit}


def _fullness(one: OutboxStatus) -> str:
    known, unsent = backlog.backlog_of(one.context), one.pending + one.parked
    if unsent < known.reopens_below:
        return ""
    refuses = "refused" if unsent >= known.limit else f"refused from {known.limit} on"
    return f"{one.context}: {unsent} unsent; writes are {refuses} (outbox_full), until fewer than {known.reopens_below}"


def _line(one: OutboxStatus) -> str:
    relays = [f"{owner} {count}" for owner, count in one.owners.items()]
    if one.paused:
        relays.append(f"paused {len(one.paused)}")
    return (
        f"{one.context:<12} {one.pending:>8} {_age(one.oldest_seconds):>9} {one.retrying:>9} {one.parked:>7} "
        f"{one.sent:>9}  {', '.join(relays) or 'none'}"
    )


def _pauses(one: OutboxStatus) -> list[str]:
    by_reason: dict[str, list[str]] = {}
    for lane in one.lanes:
        if lane.paused:
            by_reason.setdefault(lane.reason, []).append(str(lane.lane))
    return [f"{one.context}, lanes {', '.join(numbers)}: {reason}" for reason, numbers in by_reason.items()]


def _lane_line(context: str, lane: lanes.LaneStatus) -> str:
    return (
        f"{context:<12} {lane.lane:>8} {lane.pending:>9} {_age(lane.oldest_seconds):>9} {lane.fence:>7} "
        f"{lane.lease_seconds:>7.1f} s  {'paused' if lane.paused else lane.owner or 'none'}"
    )


def _age(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f} s"


def _declare() -> Result:
    try:
        topology = declare_own_topology()
    except bus.SourceMissing as missing:
        raise CliError(
            "outbox.source_missing", f"Not every queue could be bound: {missing}.",
            hint="the same command in the role that owns the exchange, then this one again", code=UNREACHABLE,
        ) from missing  # fmt: skip
    except broker_errors() as wrong:
        raise CliError(
            "outbox.broker_unreachable", f"The broker did not take the declarations: {wrong}",
            hint="make services, or a look at BROKER_URL", code=UNREACHABLE,
        ) from wrong  # fmt: skip
    queues = ", ".join(name for name, _ in topology.queues) or "none"
    text = f"exchanges: {', '.join(topology.exchanges) or 'none'}; queues: {queues}"
    return Result(data={"exchanges": topology.exchanges, "queues": [name for name, _ in topology.queues]}, text=text)
