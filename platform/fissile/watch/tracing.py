"""Traces: one OpenTelemetry provider a process, spans with our names, kept in the local store. No Django.

Trace context crosses borders through `fissile.carry`; this module only makes spans.
May touch: the traces file.
"""

from __future__ import annotations

import atexit
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode

from fissile.errors import Refusal

from .redaction import redact, redact_text
from .trace_store import StoredSpan, TraceStore

Kind = Literal["internal", "server", "client", "producer", "consumer"]
_KINDS = {kind.name.lower(): kind for kind in SpanKind}
# A person who looks for a trace right after the answer finds it; a kill -9 loses at most this much.
_SCHEDULE_MILLISECONDS = 250
_WARN_EVERY_SECONDS = 60.0
_log = logging.getLogger(__name__)


class StoreExporter(SpanExporter):
    """Writes spans to the local store; a failure drops the batch and is logged once a minute."""

    def __init__(self, store: TraceStore, service: str) -> None:
        self._store = store
        self._service = service
        self._warned_at = float("-inf")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Store a batch; never raise."""
        try:
            self._store.add([_stored(span, self._service) for span in spans])
        except Exception as wrong:  # noqa: BLE001 - whatever it is, watching must not stop the work
            if time.monotonic() - self._warned_at > _WARN_EVERY_SECONDS:
                self._warned_at = time.monotonic()
                _log.warning("Traces are not being kept: %s. The work goes on.", wrong)
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Close the store's connection."""
        self._store.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is held back here: the batch processor does that."""
        return True


_set_up_in: int | None = None
_provider: TracerProvider | None = None
_recorder: tuple[SpanProcessor, Resource] | None = None


def setup(service_name: str, traces_file: Path) -> None:
    """Start tracing in this process, once; a second call does nothing.

    After a fork the provider goes on by itself (its thread and its connection are
    made again in the child), so a call there does nothing either.
    """
    global _set_up_in, _provider, _recorder
    if _set_up_in is not None:
        _set_up_in = os.getpid()
        return
    _set_up_in = os.getpid()
    resource = Resource({"service.name": service_name})
    _provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = StoreExporter(TraceStore(traces_file), service_name)
    processor = BatchSpanProcessor(exporter, schedule_delay_millis=_SCHEDULE_MILLISECONDS)
    _provider.add_span_processor(processor)
    _recorder = processor, resource
    trace.set_tracer_provider(_provider)
    atexit.register(shutdown)


def recorder() -> tuple[SpanProcessor, Resource] | None:
    """Return what takes finished spans, and what describes this process; None before `setup`."""
    return _recorder


def flush() -> None:
    """Write every finished span now."""
    if _provider is not None:
        _provider.force_flush()


def shutdown() -> None:
    """Write what is finished and stop. A server that dies by its signal must call this on its way out."""
    if _provider is not None:
        _provider.shutdown()


@contextmanager
def span(
    name: str,
    *,
    kind: Kind = "internal",
    parent: Context | None = None,
    links: Sequence[Span] = (),
    **attributes: Any,
) -> Iterator[Span]:
    """Run a block as a named hop of the current trace, or of `parent` if given.

    A Refusal is an answer, not a failure: it marks the span with its code. Any
    other exception marks it as failed. Attributes that are None are left out.
    """
    tracer = trace.get_tracer("fissile")
    with tracer.start_as_current_span(
        name,
        context=parent,
        kind=_KINDS[kind],
        attributes={key: _plain(value) for key, value in attributes.items() if value is not None},
        links=[Link(other.get_span_context()) for other in links if other.get_span_context().is_valid],
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except Refusal as no:
            current.set_attribute("refused", no.code)
            raise
        except BaseException as wrong:
            fail(current, wrong)
            raise


def fail(failed: Span, wrong: BaseException) -> None:
    """Mark a span as failed, with the error's class and redacted sentence."""
    failed.set_attribute("error.type", type(wrong).__qualname__)
    failed.set_status(Status(StatusCode.ERROR, redact_text(f"{type(wrong).__name__}: {wrong}")[:500]))


def fail_unless_failed(one: Span, reason: str) -> None:
    """Mark a span as failed for `reason`, unless an exception has already said why."""
    if not (isinstance(one, ReadableSpan) and one.status.status_code is StatusCode.ERROR):
        one.set_status(Status(StatusCode.ERROR, reason))


def current_ids() -> tuple[str, str] | None:
    """Return (trace id, span id) of the span in hand as lower-case hex, or None outside of any."""
    return ids_of(trace.get_current_span())


def ids_of(one: Span) -> tuple[str, str] | None:
    """Return (trace id, span id) of a span as lower-case hex, or None if it is not a real one."""
    context = one.get_span_context()
    return (f"{context.trace_id:032x}", f"{context.span_id:016x}") if context.is_valid else None


def traceresponse() -> str | None:
    """Return the `traceresponse` header for the span in hand (W3C Trace Context, level 2 draft), or None."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags) & 1:02x}"


def _plain(value: Any) -> str | bool | int | float:
    return value if isinstance(value, str | bool | int | float) else str(value)


def _stored(one: ReadableSpan, service: str) -> StoredSpan:
    context = one.get_span_context()
    if context is None:
        raise ValueError("a finished span without a context")
    failed = one.status.status_code is StatusCode.ERROR
    return StoredSpan(
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_id=f"{one.parent.span_id:016x}" if one.parent else "",
        name=one.name,
        kind=one.kind.name.lower(),
        service=service,
        pid=os.getpid(),
        start_ns=one.start_time or 0,
        end_ns=one.end_time or 0,
        error=(one.status.description or "failed") if failed else "",
        attributes=redact(dict(one.attributes or {})),
        links=[f"{link.context.trace_id:032x}-{link.context.span_id:016x}" for link in one.links],
    )
