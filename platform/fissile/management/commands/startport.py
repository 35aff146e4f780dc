"""`startport`: what a context asks of a neighbour, in its own words: port, adapter, fake, and one suite for all."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from fissile.management.scaffolding import ScaffoldCommand, Told
from fissile.scaffold import port as ports
from fissile.scaffold.asked import NewPort, asked
from fissile.scaffold.draft import Draft
from fissile.scaffold.errors import BadName
from fissile.scaffold.layout import Layout
from fissile.scaffold.names import ensure_snake, split
from fissile.scaffold.words import possessive


class Command(ScaffoldCommand):
    """Insert a port over a facade function of a neighbour, and give the context the right to ask it."""

    help = (
        "Makes a port. Examples: startport billing.buyer_directory --to users.get_account --as buyer · "
        "startport orders.catalog (asks the context catalog) --dry-run. See also: startprojection, startconsumer."
    )
    spoken = "startport"

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the port, whom it asks, our word for the answer, and who makes one in tests."""
        parser.add_argument("port", help="<context>.<role of whom it asks>, such as orders.catalog")
        parser.add_argument(
            "--to",
            default="",
            metavar="CONTEXT[.FUNCTION]",
            help="the facade function; default: a context of this name",
        )
        parser.add_argument("--as", dest="value", default="", help="our word for the answer; default: get_<word>'s")
        parser.add_argument(
            "--known", default="", metavar="MODULE:FUNCTION", help="of the neighbour's tests: makes what is asked for"
        )
        super().add_arguments(parser)

    def plan(self, draft: Draft, project: Layout, **options: Any) -> Told:
        """Plan the port."""
        context, name = split(options["port"], "a port", "orders.catalog")
        project.package_of(context)
        if (options["to"] or name).partition(".")[0] == context:
            raise BadName(f"{context} need not ask itself.", where="--to", fix="call a query or a use case")
        wanted = asked(draft, project, to=options["to"], port=name, known=options["known"])
        value: str = options["value"] or wanted.noun
        ensure_snake(value, "an answer", "buyer")
        port = NewPort(context=context, name=name, value=value, asked=wanted)
        ports.start(draft, project, port)
        data = {"context": context, "port": name, "class": port.protocol, "adapter": port.adapter, "asks": port.wish}
        line = (
            f"{context}.{name}: {port.protocol}.{port.method}() over {port.wish}, offered to {context} from now on; "
            f"wiring.{name}() picks {port.adapter}"
        )
        left = [f"left out of {port.answer}: {', '.join(wanted.left_out)}"] if wanted.left_out else []
        theirs = f"{possessive(wanted.context)} {wanted.answer}"
        advice = f"{port.answer} in ports.py has all that {theirs} has: take out what {context} does not need"
        return Told(line, data, warnings=[*left, advice])
