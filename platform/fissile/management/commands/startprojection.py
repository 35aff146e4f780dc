"""`startprojection`: a read model that a neighbour's events feed, with its table, handlers and tests."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from fissile.management.scaffolding import ScaffoldCommand, Told, unheard
from fissile.scaffold import projection as projections
from fissile.scaffold import read_model
from fissile.scaffold.draft import Draft
from fissile.scaffold.layout import Layout
from fissile.scaffold.names import split


class Command(ScaffoldCommand):
    """Insert a read model of one aggregate: one row each, as the named events describe it."""

    help = (
        "Makes a read model. Examples: startprojection orders.customer_card --from users.user_registered "
        "--from users.user_renamed · startprojection bff.invoice_list --from billing.invoice_issued --dry-run. "
        "See also: startconsumer, startport."
    )
    spoken = "startprojection"

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the projection and the events."""
        parser.add_argument("projection", help="<context>.<what a row shows>, such as orders.customer_card")
        parser.add_argument(
            "--from",
            dest="events",
            action="append",
            required=True,
            metavar="CONTEXT.FACT",
            help="an event that fills it, such as users.user_registered; several of one aggregate",
        )
        super().add_arguments(parser)

    def plan(self, draft: Draft, project: Layout, **options: Any) -> Told:
        """Plan the read model."""
        context, name = split(options["projection"], "a read model", "orders.customer_card")
        wanted = read_model.wanted(draft, project, context, name, options["events"])
        projections.start(draft, project, wanted)
        source, aggregate = wanted.source.context, wanted.source.aggregate
        wires = [one.event.wire for one in wanted.heard]
        data = {"context": context, "projection": name, "class": wanted.model, "events": wires, "aggregate": aggregate}
        line = f"{context}.{name}: {wanted.model}, one row for each {aggregate} of {source}, fed by {', '.join(wires)}"
        late = unheard(context, source, aggregate)
        late = late or f"it starts empty: each {aggregate} of before comes in with its next event"
        warnings = [f"{late} (there is no rebuild yet)"]
        if left_out := wanted.left_out():
            warnings.append(f"no column holds {', '.join(left_out)}: give it a table of its own if a screen needs it")
        return Told(line, data, warnings=warnings, next=[f"manage.py migrate --database {context}"])
