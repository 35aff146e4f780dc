"""`outbox`: how each context's outbox stands, and the queues its events need.

May touch: outbox and lane rows, read only; exchanges and queues of the broker.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.db import Error

from fissile.events import bus
from fissile.events.hosting import declare_own_topology
from fissile.events.outbox import OutboxStatus, publishing_contexts, status_of
from fissile.management.cli import UNREACHABLE, CliError, HouseCommand, Result


class Command(HouseCommand):
    """Show the outboxes of this role, or declare its exchanges and queues."""

    help = "outbox status: pending, age, parked and lease per context. outbox declare: exchanges and queues."
    spoken = "outbox"

    def add_arguments(self, parser: CommandParser) -> None:
        """Take `status` or `declare`, and --json."""
        parser.add_argument("action", choices=("status", "declare"))
        self.add_json(parser)

    def answer(self, **options: Any) -> Result:
        """Read the rows, or talk to the broker."""
        return _status() if options["action"] == "status" else _declare()


def _status() -> Result:
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
    header = f"{'context':<12} {'pending':>8} {'oldest':>9} {'retrying':>9} {'parked':>7} {'sent':>9}  lease"
    lines = [header, *(_line(one) for one in found)] if found else ["This role has no outbox."]
    reasons = [f"{one.context}: {one.reason}" for one in found if one.reason]
    return Result(data=[asdict(one) for one in found], text="\n".join(lines), warnings=reasons)


def _line(one: OutboxStatus) -> str:
    oldest = "-" if one.oldest_seconds is None else f"{one.oldest_seconds:.1f} s"
    lease = f"{one.owner} for {one.lease_seconds:.0f} s, fence {one.fence}" if one.owner else "free"
    return (
        f"{one.context:<12} {one.pending:>8} {oldest:>9} {one.retrying:>9} {one.parked:>7} {one.sent:>9}  "
        f"{'paused' if one.paused else lease}"
    )


def _declare() -> Result:
    try:
        topology = declare_own_topology()
    except bus.connection_errors(settings.FISSILE["broker_url"]) as wrong:
        raise CliError(
            "outbox.broker_unreachable", f"The broker did not take the declarations: {wrong}",
            hint="make services, or a look at BROKER_URL", code=UNREACHABLE,
        ) from wrong  # fmt: skip
    queues = ", ".join(name for name, _ in topology.queues) or "none"
    text = f"exchanges: {', '.join(topology.exchanges) or 'none'}; queues: {queues}"
    return Result(data={"exchanges": topology.exchanges, "queues": [name for name, _ in topology.queues]}, text=text)
