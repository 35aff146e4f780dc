"""One request's passage through the gate: correlation id, span, the answer, one log line."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from fissile import carry
from fissile.messages import Problem
from fissile.watch import tracing

from . import problems
from .headers import RawHeaders, only_value

log = logging.getLogger("fissile.edge.gateway")
_w3c = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("fissile.edge.gateway")

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Visit:
    """A context manager around one request; inside it the carried values and the span are current.

    The trace always starts here: a client's traceparent becomes a link, its
    baggage, tracestate and sampling flag are dropped. Its correlation id is kept
    when it is well formed.
    """

    def __init__(self, *, method: str, headers: RawHeaders, peer: str) -> None:
        self.method, self.peer = method, peer
        self.route = self.upstream = self.outcome = ""
        self.status = 0
        self.sent_bytes = self.received_bytes = 0
        self._given_correlation = only_value(headers, b"x-correlation-id") or ""
        self._given_trace = only_value(headers, b"traceparent") or ""
        self._stack = ExitStack()
        self._started_at = time.monotonic()

    def __enter__(self) -> Visit:
        given = {"x-correlation-id": self._given_correlation} if self._given_correlation else {}
        self.correlation_id = self._stack.enter_context(carry.from_headers(given)).correlation_id
        theirs = trace.get_current_span(_w3c.extract({"traceparent": self._given_trace}, Context()))
        links = [Link(theirs.get_span_context())] if theirs.get_span_context().is_valid else []
        self.span = _tracer.start_span("gateway", context=Context(), kind=SpanKind.SERVER, links=links)
        self._stack.enter_context(trace.use_span(self.span, end_on_exit=True, record_exception=False))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        with self._stack:
            if error is not None and not self.outcome:
                self.outcome = "cancelled"
            self._describe()

    def identity(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that every answer carries."""
        traced = tracing.traceresponse()
        named = [(b"traceresponse", traced.encode("ascii"))] if traced else []
        return [
            (b"x-correlation-id", self.correlation_id.encode("ascii")),
            *named,
            (b"x-content-type-options", b"nosniff"),
        ]

    def answers(self, problem: Problem) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Return the whole answer for `problem` and remember it."""
        self.status, self.outcome = problem.status, problem.code
        headers, body = problems.rendered(problem)
        self.sent_bytes = len(body)
        return headers + self.identity(), body

    def _describe(self) -> None:
        seconds = time.monotonic() - self._started_at
        facts = {
            "method": self.method,
            "route": self.route,
            "upstream": self.upstream,
            "status": self.status,
            "outcome": self.outcome,
            "duration_ms": round(seconds * 1000, 1),
            "received_bytes": self.received_bytes,
            "sent_bytes": self.sent_bytes,
            "peer": self.peer,
        }
        self.span.set_attribute("http.request.method", self.method)
        self.span.set_attribute("http.response.status_code", self.status)
        for name, value in (
            ("http.route", self.route),
            ("fissile.upstream", self.upstream),
            ("fissile.outcome", self.outcome),
        ):
            if value:
                self.span.set_attribute(name, value)
        if self.status >= 500 or not self.status:
            self.span.set_status(StatusCode.ERROR, self.outcome)
        # What is empty is left out: a line costs by its fields.
        log.info("request", extra={name: fact for name, fact in facts.items() if fact})
