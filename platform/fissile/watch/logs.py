"""Logs: one JSON object a line, from every logger of the process. No Django.

May touch: the root logger, stdout or stderr.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from opentelemetry import trace

from fissile import carry

from .redaction import HIDDEN, is_secret, redact

# Said better by our own lines (request, relay, consumer), or one line per request of a client.
_QUIETER = {
    "django.request": logging.ERROR,
    "django.server": logging.ERROR,
    "aiohttp.access": logging.WARNING,
    "asyncio": logging.WARNING,
    "urllib3": logging.WARNING,
    "kombu": logging.WARNING,
    "amqp": logging.WARNING,
    "celery.bootsteps": logging.WARNING,
    "celery.utils.functional": logging.WARNING,
    "uvicorn.access": logging.WARNING,
}
_OWN = ("timestamp", "level", "event", "logger", "process", "correlation_id", "trace_id", "span_id")


class _StreamHandler(logging.StreamHandler[TextIO]):
    """Writes to whatever the named stream is now: it may be replaced after set-up."""

    def __init__(self, name: str) -> None:
        logging.Handler.__init__(self)
        self._name = name

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        found: TextIO = getattr(sys, self._name)
        return found


def setup(process_name: str, level: str = "INFO", *, stream: str = "stdout") -> None:
    """Send every log record of this process to `stream` as JSON lines; calling again replaces the set-up.

    Each line has timestamp (UTC, ISO 8601), level, event, logger, process, and
    correlation_id, trace_id, span_id when the work in hand has them. Celery must be
    told not to replace this: worker_hijack_root_logger = False.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Carried(process_name),
        structlog.processors.format_exc_info,
        _redacted,
    ]
    handler = _StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _line],
        )
    )
    root = logging.getLogger()
    for old in [one for one in root.handlers if isinstance(one, _StreamHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name, quieter in _QUIETER.items():
        logging.getLogger(name).setLevel(max(quieter, logging.getLevelName(level)))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


class _Carried:
    """Adds the process's name and the ids that the work in hand carries."""

    def __init__(self, process_name: str) -> None:
        self._process_name = process_name

    def __call__(self, _: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        line["process"] = self._process_name
        if correlation := carry.current().correlation_id:
            line.setdefault("correlation_id", correlation)
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line.setdefault("trace_id", f"{span.trace_id:032x}")
            line.setdefault("span_id", f"{span.span_id:016x}")
        return line


def _redacted(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # Django adds its request object, whose text shows the query: one-time tokens, search words.
    line.pop("request", None)
    if line.get("_from_structlog") is False:
        # Left on the record by another handler's formatter: the event once more.
        line.pop("message", None)
        line.pop("asctime", None)
    for name, value in line.items():
        if name.startswith("_"):
            continue
        line[name] = HIDDEN if is_secret(name) and value is not None else redact(value)
    return line


def _line(_: Any, __: str, line: MutableMapping[str, Any]) -> str:
    """Render with our own names first; ASCII only, so no control character or surrogate can break a line."""
    ordered = {name: line[name] for name in _OWN if name in line}
    ordered.update((name, value) for name, value in line.items() if name not in _OWN)
    return json.dumps(ordered, ensure_ascii=True, default=str)
