"""`traces`: the newest traces of this host, and one as a waterfall across its processes."""

from __future__ import annotations

import re
import shutil
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from fissile.management.cli import FINDINGS, USAGE, CliError, HouseCommand, Result
from fissile.watch import waterfall
from fissile.watch.trace_store import StoredSpan, TraceStore, TraceSummary

_TRACE_ID = re.compile(r"[0-9a-f]{4,32}")
_TRACERESPONSE = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


class Command(HouseCommand):
    """Read the local trace store; no other process is asked."""

    help = "Lists traces or shows one: `traces list --limit 5`, `traces show latest`, `traces show 00-…-01`."
    spoken = "traces"

    def add_arguments(self, parser: CommandParser) -> None:
        """Take `list` or `show`."""
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="the newest traces, newest first")
        listing.add_argument("--limit", type=int, default=20, help="how many at most (default 20)")
        showing = actions.add_parser("show", help="one trace as a waterfall")
        showing.add_argument("trace", help="a trace id or its first letters, a traceresponse header, or `latest`")
        for one in (listing, showing):
            self.add_json(one)

    def answer(self, **options: Any) -> Result:
        """Read and render."""
        self._file = settings.FISSILE["traces_file"]
        store = TraceStore(self._file)
        if options["action"] == "list":
            return _listed(store.traces(max(1, options["limit"])))
        return self._shown(store, options["trace"])

    def _shown(self, store: TraceStore, wanted: str) -> Result:
        trace_id = self._identified(store, wanted)
        spans = store.trace(trace_id)
        if not spans:
            raise self._unknown(wanted)
        ascii_only = not str(getattr(self.stdout, "encoding", None) or "utf-8").lower().startswith("utf")
        drawn = waterfall.render(spans, width=shutil.get_terminal_size((120, 24)).columns, ascii_only=ascii_only)
        return Result(data=_document(trace_id, spans), text=f"{_headline(trace_id, spans)}\n\n{drawn}")

    def _identified(self, store: TraceStore, wanted: str) -> str:
        if wanted == "latest":
            newest = store.traces(1)
            if not newest:
                raise self._unknown(wanted)
            return newest[0].trace_id
        wanted = wanted.strip().lower()
        if (header := _TRACERESPONSE.fullmatch(wanted)) is not None:
            return header[1]
        if _TRACE_ID.fullmatch(wanted) is None:
            raise CliError(
                "TRC001",
                f"{wanted!r} is no trace id.",
                hint="give its 32 hex digits, at least the first 4, the traceresponse header, or: traces show latest",
                code=USAGE,
            )
        found = store.starting_with(wanted)
        if len(found) > 1:
            raise CliError("TRC002", f"{wanted} fits {len(found)} traces.", hint="give more letters", code=USAGE)
        if not found:
            raise self._unknown(wanted)
        return found[0]

    def _unknown(self, wanted: str) -> CliError:
        return CliError(
            "TRC003",
            f"No trace {wanted} is kept.",
            where=str(self._file),
            hint="send a request first, or see what is kept: traces list",
            code=FINDINGS,
        )


def _listed(found: list[TraceSummary]) -> Result:
    lines = [
        f"{'started (UTC)':<24}  {'took':>11}  {'hops':>4}  {'processes':>9}  {'errors':>6}  {'trace':<32}  first hop"
    ]
    lines += [
        f"{_at(one.start_ns):<24}  {(one.end_ns - one.start_ns) / 1e6:8.1f} ms  {one.spans:>4}  {one.services:>9}  "
        f"{one.errors:>6}  {one.trace_id}  {one.name}"
        for one in found
    ]
    text = "\n".join(lines) if found else "No traces yet. Send a request, then look again."
    return Result(
        data=[{**asdict(one), "started_at": _at(one.start_ns)} for one in found],
        text=text,
        next=[f"manage.py traces show {found[0].trace_id}"] if found else [],
    )


def _document(trace_id: str, spans: list[StoredSpan]) -> dict[str, Any]:
    return {
        "trace_id": trace_id,
        "started_at": _at(spans[0].start_ns),
        "duration_ms": round(_took(spans) / 1e6, 3),
        "spans": [
            {
                **asdict(hop.span),
                "depth": hop.depth,
                "offset_ms": round(hop.offset_ns / 1e6, 3),
                "duration_ms": round((hop.span.end_ns - hop.span.start_ns) / 1e6, 3),
                "waited_ms": round(hop.waited_ns / 1e6, 3),
            }
            for hop in waterfall.hops(spans)
        ],
    }


def _headline(trace_id: str, spans: list[StoredSpan]) -> str:
    processes = len({(span.service, span.pid) for span in spans})
    took = f"{_took(spans) / 1e6:.1f} ms"
    return f"trace {trace_id}  {_at(spans[0].start_ns)}  {took}  {len(spans)} hops  {processes} processes"


def _took(spans: list[StoredSpan]) -> int:
    return max(span.end_ns for span in spans) - spans[0].start_ns


def _at(nanoseconds: int) -> str:
    moment = datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
