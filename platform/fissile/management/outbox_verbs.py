"""`outbox pause | resume | retry | park | prune`: what an operator does to lanes and events of one context.

May touch: lane and outbox rows, through `fissile.events`; the admin's log.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fissile.events import lanes, outbox_repair, retention
from fissile.events.lanes import lane_model_of
from fissile.events.models import OutboxRow
from fissile.events.outbox import outbox_of, publishing_contexts
from fissile.management import operating
from fissile.management.cli import USAGE, CliError, HouseCommand, Result

VERBS = ("pause", "resume", "retry", "park", "prune")
# One entry in the log is one action; what it names beyond these is counted.
_MOST_NAMED = 50
_HINT = "manage.py outbox status; manage.py deadletters list --consumer {context}.outbox"
_COST = (
    "The outbox is the log: a consumer that comes late, or is rebuilt, can no longer be told of pruned events. "
    "Keep at least what the slowest neighbour may need."
)


def add(actions: Any) -> None:
    """Add the verbs to a command's subparsers."""
    pause = actions.add_parser("pause", help="hold lanes up; their events are recorded and wait in order")
    resume = actions.add_parser("resume", help="send what waits, and go on")
    for verb in (pause, resume):
        verb.add_argument("context")
        verb.add_argument("--lane", type=int, action="append", help="only this lane; may be repeated")
    retry = actions.add_parser("retry", help="try events again that back off or are parked")
    retry.add_argument("context")
    which = retry.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", help="one event: its seq, orders:outbox:7, or its message id")
    which.add_argument("--aggregate", help="all in trouble of one aggregate, such as order/<id>")
    which.add_argument("--all", action="store_true", help="all in trouble")
    park = actions.add_parser("park", help="hold one event back; its aggregate's later ones wait behind it")
    park.add_argument("context")
    park.add_argument("id", help="its seq, orders:outbox:7, or its message id")
    prune = actions.add_parser("prune", help="delete events that were sent long ago", description=_COST)
    prune.add_argument("context")
    for verb in (pause, resume, retry, park):
        operating.add_reason(verb)
    operating.add_age(prune)
    for verb in (pause, resume, retry, park, prune):
        HouseCommand.add_json(verb)


def answer(options: dict[str, Any]) -> Result:
    """Do one of VERBS; raise CliError."""
    context = options["context"]
    known = publishing_contexts()
    if context not in known:
        raise CliError(
            "outbox.unknown", f"This role has no outbox of {context!r}.", where=f"it has: {', '.join(known) or 'none'}",
            hint="the command in the role that owns it: ROLE=… manage.py outbox …", code=USAGE,
        )  # fmt: skip
    with operating.operating("outbox", hint=_HINT.format(context=context), dry_run=options["dry_run"]) as who:
        match options["action"]:
            case "pause" | "resume":
                return _steer(context, options, who)
            case "prune":
                return _prune(context, options, who)
            case "park":
                return _park(context, options, who)
        return _retry(context, options, who)


def _steer(context: str, options: dict[str, Any], who: operating.Audited) -> Result:
    verb, reason = options["action"], options["reason"]
    turn = lanes.pause if verb == "pause" else lanes.resume
    changed = turn(context, options["lane"], reason=reason, operator=who.operator, dry_run=options["dry_run"])
    done, numbers = f"{verb}d", ", ".join(map(str, changed)) or "none"
    if changed:
        key = str(changed[0]) if len(changed) == 1 else ""
        said = f"{done.capitalize()} lanes {numbers}. Reason: {reason}"
        who.note(lane_model_of(context), key=key, name=f"{context}: lanes {numbers}", said=said)
    return Result(
        data={"context": context, "lanes": changed, "dry_run": options["dry_run"]},
        text=f"{context}: {f'would {verb}' if options['dry_run'] else done} lanes: {numbers}",
        next=["manage.py outbox status --lanes"],
    )


def _retry(context: str, options: dict[str, Any], who: operating.Audited) -> Result:
    given = options["id"]
    rows = [outbox_repair.find(context, given)] if given else outbox_repair.in_trouble(context, options["aggregate"])
    done = outbox_repair.retry(rows, reason=options["reason"], operator=who.operator, dry_run=options["dry_run"])
    named = given or options["aggregate"] or "all in trouble"
    return _repaired(context, done, "retried", named, options, who)


def _park(context: str, options: dict[str, Any], who: operating.Audited) -> Result:
    row = outbox_repair.find(context, options["id"])
    done = outbox_repair.park(row, reason=options["reason"], operator=who.operator, dry_run=options["dry_run"])
    result = _repaired(context, [done], "parked", options["id"], options, who)
    warnings = [f"Later events of {row.aggregate} wait behind it; a relay that had it in hand may still send it."]
    if done.outcome not in ("parked", "would park"):
        warnings = []
    return Result(
        data=result.data, text=result.text, warnings=warnings, next=[f"manage.py outbox retry {context} {row.seq}"]
    )


def _repaired(
    context: str, done: list[outbox_repair.Repaired], verb: str, named: str, options: dict[str, Any],
    who: operating.Audited,
) -> Result:  # fmt: skip
    changed = [one for one in done if one.outcome == verb]
    if changed:
        listed = ", ".join(f"{one.id} ({one.was[:80] or 'no trouble'})" for one in changed[:_MOST_NAMED])
        more = f" and {len(changed) - _MOST_NAMED} more" if len(changed) > _MOST_NAMED else ""
        said = f"{verb.capitalize()} {listed}{more}. Reason: {options['reason']}"
        key = changed[0].id.rpartition(":")[2] if len(changed) == 1 else ""
        who.note(_outbox(context), key=key, name=f"{context} outbox: {named}", said=said)
    lines = [f"{one.outcome:<16} {one.id}  {one.type} {one.aggregate}@{one.version}" for one in done]
    tally: dict[str, int] = {}
    for one in done:
        tally[one.outcome] = tally.get(one.outcome, 0) + 1
    return Result(
        data={"context": context, "events": [asdict(one) for one in done], "tally": tally},
        text="\n".join(lines) or f"No event of {context} is in trouble.",
        next=["manage.py outbox status"] if changed else [],
    )


def _prune(context: str, options: dict[str, Any], who: operating.Audited) -> Result:
    done = retention.prune_outbox(context, options["older_than"], dry_run=options["dry_run"])
    if done.rows:
        said = f"Pruned {done.rows} events that were sent before {done.before.isoformat()}."
        who.note(_outbox(context), key="", name=f"{context} outbox", said=said)
    verb = "would be deleted" if done.dry_run else "deleted"
    return Result(
        data=asdict(done),
        text=f"{context}: {done.rows} sent events from before {done.before:%Y-%m-%d %H:%M:%S} UTC {verb}",
        warnings=[_COST] if done.rows else [],
    )


def _outbox(context: str) -> type[OutboxRow]:
    return outbox_of(context)
