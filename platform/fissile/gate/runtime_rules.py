"""The rules that the run-time guard keeps; their texts live with the others so that `explain` knows them offline."""

from __future__ import annotations

from .findings import Rule

RULES = (
    Rule(
        id="BND201",
        title="SQL on a context's connection that names another context's table",
        why="The statement works as long as both live on one server, and not a day longer.",
        fix="ask the owner through a port, or keep a copy fed by its events",
    ),
    Rule(
        id="BND202",
        title="write outside a unit of work",
        why="State changed without a transaction that an event could share.",
        fix='write inside unit_of_work("<context>"), commands.run or a consumer\'s handler',
    ),
    Rule(
        id="BND203",
        title="call to a neighbour inside a transaction",
        why="Locks are held for as long as the neighbour takes; near and far would behave differently.",
        fix="gather before, decide inside: ask first, then open the unit of work",
    ),
)
