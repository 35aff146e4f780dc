"""One trace as a tree in time order: who waited for whom, across processes. Pure: spans in, lines out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .trace_store import StoredSpan

_NARROWEST_BAR = 12
# Below this a child that starts after its parent's end is clock noise, not waiting.
_GAP_NS = 500_000


@dataclass(frozen=True, kw_only=True)
class Hop:
    """A span in its place. `waited_ns` is the asynchronous gap after the parent's end; 0 if there is none."""

    span: StoredSpan
    depth: int
    offset_ns: int
    waited_ns: int


def hops(spans: Sequence[StoredSpan]) -> list[Hop]:
    """Return the spans depth first, children by start. A span whose parent is not known stands as a root."""
    if not spans:
        return []
    known = {span.span_id: span for span in spans}
    children: dict[str, list[StoredSpan]] = {}
    for span in sorted(spans, key=lambda one: (one.start_ns, one.span_id)):
        parent_id = span.parent_id if span.parent_id in known and span.parent_id != span.span_id else ""
        children.setdefault(parent_id, []).append(span)
    began = min(span.start_ns for span in spans)

    def walk(parent: StoredSpan | None, depth: int) -> Iterator[Hop]:
        for span in children.pop(parent.span_id if parent else "", []):
            gap = span.start_ns - parent.end_ns if parent else 0
            waited = gap if gap > _GAP_NS else 0
            yield Hop(span=span, depth=depth, offset_ns=span.start_ns - began, waited_ns=waited)
            yield from walk(span, depth + 1)

    return list(walk(None, 0))


def render(spans: Sequence[StoredSpan], *, width: int, ascii_only: bool = False) -> str:
    """Draw a waterfall at most `width` columns wide: offset, duration, process, hop, bar."""
    placed = hops(spans)
    began = min(span.start_ns for span in spans)
    total = max(1, max(span.end_ns for span in spans) - began)
    service_width = max(len(span.service) for span in spans)
    name_width = max(2 * hop.depth + len(hop.span.name) for hop in placed)
    left = 26 + service_width
    bar_width = width - left - name_width - 3
    if bar_width < _NARROWEST_BAR:
        name_width, bar_width = max(20, width - left - _NARROWEST_BAR - 3), _NARROWEST_BAR
    lines = [f"{'start':>11} {'took':>11}  {'process':<{service_width}}  hop"]
    for hop in placed:
        if hop.waited_ns:
            dots = "..." if ascii_only else "⋯"
            lines.append(" " * left + "  " * hop.depth + f"{dots} waited {_milliseconds(hop.waited_ns).strip()}")
        name = _cut("  " * hop.depth + hop.span.name, name_width)
        took = hop.span.end_ns - hop.span.start_ns
        lines.append(
            f"{_milliseconds(hop.offset_ns)} {_milliseconds(took)}  {hop.span.service:<{service_width}}  "
            f"{name:<{name_width}} {_bar(hop.offset_ns, took, total, bar_width, ascii_only)}".rstrip()
        )
        if hop.span.error:
            lines.append(" " * left + "  " * hop.depth + f"! failed: {hop.span.error.splitlines()[0]}")
    return "\n".join(lines)


def _milliseconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:8.1f} ms"


def _bar(offset: int, took: int, total: int, width: int, ascii_only: bool) -> str:
    full, edge = ("#", "|") if ascii_only else ("█", "▏")
    begin = min(width - 1, offset * width // total)
    length = min(width - begin, took * width // total)
    return " " * begin + (full * length or edge)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
