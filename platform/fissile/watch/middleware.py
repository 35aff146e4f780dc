"""The outermost middleware of a web process: one trace span, one log line and one count per request.

May touch: request and response headers. Every answer says `x-correlation-id` and `traceresponse`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from opentelemetry import trace

from fissile import carry

from . import metrics, tracing

_log = structlog.get_logger("fissile.watch.request")
# Asked every few seconds by machines: no span, no line, no count.
_PROBES = ("/healthz", "/readyz", "/metrics")
_LONGEST_PATH = 512


class Watched:
    """Puts the carried values of the request in place and watches it. Our own span, not the
    instrumentation package's: that one writes addresses with their query into the trace."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer within what the request's headers carry."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        with carry.from_headers(headers) as carried:
            if request.path in _PROBES or request.path.startswith(f"/{settings.STATIC_URL.lstrip('/')}"):
                response = self._get_response(request)
            else:
                response = self._watch(request)
            response.headers.setdefault("x-correlation-id", carried.correlation_id)
            return response

    def process_exception(self, request: HttpRequest, wrong: Exception) -> None:
        """Mark the span; whoever turns the exception into an answer logs it."""
        tracing.fail(trace.get_current_span(), wrong)

    def _watch(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        with tracing.span(str(request.method), kind="server") as span:
            response = self._get_response(request)
            seconds = time.perf_counter() - started
            route = _route(request)
            status = response.status_code
            span.update_name(f"{request.method} {route}")
            span.set_attributes(
                {"http.request.method": str(request.method), "http.route": route, "http.response.status_code": status}
            )
            if status >= 500:
                tracing.fail_unless_failed(span, f"answered {status}")
            if (header := tracing.traceresponse()) is not None:
                response.headers["traceresponse"] = header
            self._write_down(request, route, status, seconds)
        return response

    def _write_down(self, request: HttpRequest, route: str, status: int, seconds: float) -> None:
        context = _context(request)
        metrics.count_request(context=context, method=str(request.method), route=route, status=status, seconds=seconds)
        # The path without its query: queries carry one-time tokens and search words.
        write = _log.warning if status >= 500 else _log.info
        write(
            "request",
            context=context,
            method=request.method,
            path=request.path[:_LONGEST_PATH],
            route=route,
            status=status,
            duration_ms=round(seconds * 1000, 1),
            client=request.META.get("REMOTE_ADDR", ""),
        )


def _route(request: HttpRequest) -> str:
    match = request.resolver_match
    return f"/{match.route}" if match is not None else "unmatched"


def _context(request: HttpRequest) -> str:
    """Return the context whose code answered, or `house`."""
    match = request.resolver_match
    if match is None:
        return "house"
    module = getattr(getattr(match.func, "cls", match.func), "__module__", "")
    for name, package in settings.FISSILE["packages"].items():
        if module.startswith(f"{package}."):
            return str(name)
    return "house"
