"""`startconsumer`: a handler of a neighbour's event, with its use case, its inbox and its tests."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from fissile.management.scaffolding import ScaffoldCommand, Told, unheard
from fissile.scaffold import consumer as consumers
from fissile.scaffold.draft import Draft
from fissile.scaffold.layout import Layout
from fissile.scaffold.names import ensure_snake


class Command(ScaffoldCommand):
    """Let a context hear an event that a neighbour publishes; a second run changes nothing."""

    help = (
        "Lets a context listen to an event. Examples: startconsumer notifications billing.invoice_issued · "
        "startconsumer notifications billing.invoice_issued --wish remind_payer --dry-run. "
        "See also: startevent, startprojection."
    )
    spoken = "startconsumer"

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the context and the event."""
        parser.add_argument("context", help="who shall listen, such as notifications")
        parser.add_argument("event", help="<context>.<fact> that a neighbour publishes, such as billing.invoice_issued")
        parser.add_argument("--wish", help="the use case that it leads to; default: note_<fact>")
        super().add_arguments(parser)

    def plan(self, draft: Draft, project: Layout, **options: Any) -> Told:
        """Plan the consumer."""
        context: str = options["context"]
        project.package_of(context)
        if options["wish"]:
            ensure_snake(options["wish"], "a use case", "remind_payer")
        consumer = consumers.wanted(draft, project, context, options["event"], options["wish"])
        consumers.start(draft, project, consumer)
        event = consumer.heard.event
        data = {"context": context, "event": event.wire, "queue": consumer.queue, "handler": consumer.wish}
        late = unheard(context, event.context, event.aggregate)
        line = f"{context}: hears {event.wire} on queue {consumer.queue}, in {consumer.wish}()"
        return Told(
            line,
            data,
            warnings=[f"{late} (docs/howto/add-a-consumer.md)"] if late else [],
            next=[f"pytest {project.folder_of(context)}"],
        )
