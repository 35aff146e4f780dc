"""`startevent`: a fact that a context publishes, with the wish that records it, its form on the wire, and tests."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from fissile.management.scaffolding import ScaffoldCommand, Told
from fissile.scaffold import event as events
from fissile.scaffold.draft import Draft
from fissile.scaffold.event_words import NewEvent, aggregate_of, wish_of
from fissile.scaffold.fields import KINDS, parsed
from fissile.scaffold.layout import Layout
from fissile.scaffold.names import ensure_snake, split


class Command(ScaffoldCommand):
    """Insert the event; for the first event of an aggregate also its row, its value, its reads and its page."""

    help = (
        "Makes an event. Examples: startevent billing.invoice_issued --field amount:money --field order:ref:orders · "
        "startevent billing.invoice_paid --field paid_on:date --dry-run. See also: startcontext, startconsumer."
    )
    spoken = "startevent"

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the event and its fields."""
        parser.add_argument("event", help="<context>.<thing>_<past participle>, such as billing.invoice_issued")
        parser.add_argument(
            "--field", action="append", default=[], metavar="NAME:KIND", help=f"kinds: {', '.join(KINDS)}"
        )
        parser.add_argument("--aggregate", help="whose stream it belongs to; default: the fact without its participle")
        parser.add_argument(
            "--wish", help="the use case that records it; default: the participle's verb, issue_invoice"
        )
        super().add_arguments(parser)

    def plan(self, draft: Draft, project: Layout, **options: Any) -> Told:
        """Plan the event."""
        context, fact = split(options["event"], "an event", "billing.invoice_issued")
        aggregate: str = options["aggregate"] or aggregate_of(fact)
        wish: str = options["wish"] or wish_of(fact, aggregate)
        ensure_snake(aggregate, "an aggregate", "invoice")
        ensure_snake(wish, "a use case", f"issue_{aggregate}")
        project.package_of(context)
        fields = parsed(options["field"], aggregate=aggregate, contexts=tuple(project.packages))
        event = NewEvent(context=context, fact=fact, aggregate=aggregate, wish=wish, fields=fields)
        events.start(draft, project, event)
        data = {"context": context, "event": event.wire, "class": event.cls, "aggregate": aggregate, "use_case": wish}
        line = f"{event.wire}: published, class {event.cls}, stream {aggregate}/<id>, recorded by {wish}()"
        has_table = any(path.startswith(f"{project.folder_of(context)}/migrations/") for path in draft.statuses())
        migrate = [f"manage.py migrate --database {context}"] if has_table else []
        return Told(line, data, next=[*migrate, f"manage.py startconsumer <context> {context}.{fact}"])
